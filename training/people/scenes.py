"""Clips of several people, made of clips of one: their joints and who is who are known exactly.

beside     two clips next to one another
four       four clips in a square
in front   somebody cut out of another clip walks across, in front of the clip's own person
behind     the same, behind them
Crossings play their clips forwards and then backwards, so that they last long enough.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from model.values import Array, Frame
from training.datasets.person import Clip
from training.evaluation.identities import TruePerson
from training.people.cut_out import CutOut, cut_out, placed

WITH_OTHERS = frozenset(
    {
        "golf/Eric_Axley_golf_f_cm_np1_le_goo_0",
        "golf/Morgan_Pressel_golf_f_cm_np1_ri_goo_0",
        "jump/Gregoire_Airman_showreel_2008_jump_f_cm_np1_le_bad_2",
        "jump/Gregoire_Airman_showreel_2008_jump_f_cm_np1_ri_bad_5",
        "kick_ball/Das_Wunder_von_Bern_(Deutschland_2002_2003)_kick_ball_f_cm_np1_fr_goo_2",
        "kick_ball/FIFA_11_Gamescom-Trailer_kick_ball_f_cm_np1_ba_bad_1",
        "kick_ball/FIFA_11_Gamescom-Trailer_kick_ball_f_cm_np1_ba_med_3",
        "kick_ball/FIFA_11_Gamescom-Trailer_kick_ball_f_cm_np1_ba_med_4",
        "kick_ball/Goal_1_@_2_kick_ball_f_cm_np1_fr_goo_2",
        "pick/Fishing_For_People_pick_f_cm_np1_ri_med_5",
        "pullup/20_good_form_pullups_pullup_f_nm_np1_ri_goo_1",
        "push/Alexander_pushing_the_table_push_f_cm_np1_le_bad_0",
        "push/Joel_Pushing_Box_push_f_cm_np1_ba_bad_1",
        "push/Joel_Pushing_Box_push_f_cm_np1_ri_bad_0",
        "run/IamLegend_run_f_nm_np1_le_med_3",
        "run/nameunknown256kb_run_f_cm_np1_fr_med_3",
        "swing_baseball/HittingaSingle_swing_baseball_f_cm_np1_fr_med_0",
    }
)
"""Clips of JHMDB val and test that show more people than the one who has labels, or may: pictures of each
were looked at before anything was measured. Whoever is read there need not be false."""

_LEAST_VISIBLE = 0.5
"""Share of the joints that must be in the picture and not behind somebody; with less it does not count whether a person
is read."""
_SMALLEST, _LARGEST = 0.5, 2.0
"""How much a person is scaled to the height of the other."""

Moment = tuple[Frame, list[TruePerson]]


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """A composed clip.

    Attributes:
        kind, name: what is composed, and of which clips.
        moments: gives its frames and who is in each, anew each time.
    """

    kind: str
    name: str
    moments: Callable[[], Iterator[Moment]]


def scenes(clips: Sequence[Clip]) -> Iterator[Scene]:
    """Every kind of scene of clips that have one person each; each clip is in each kind at least once.

    Clips of one action stand beside one another in a list: each goes with those a quarter or two farther on.

    Raises:
        ValueError: there are fewer than four clips.
    """
    count = len(clips)
    if count < 4:
        raise ValueError(f"scenes: expected four clips or more, got {count}")
    for n, clip in enumerate(clips):
        a, b, c, d = (clips[(n + k * (count // 4)) % count] for k in range(4))
        if n <= count // 2:
            yield Scene("beside", f"{a.name} {c.name}", partial(side_by_side, [a, c]))
        if n <= count // 4:
            yield Scene("four", clip.name, partial(side_by_side, [a, b, c, d]))
        yield Scene("in front", f"{a.name} {c.name}", partial(crossing, a, c, in_front=True))
        yield Scene("behind", f"{a.name} {c.name}", partial(crossing, a, c, in_front=False))


def side_by_side(clips: Sequence[Clip]) -> Iterator[Moment]:
    """An even number of clips in rows of two, as long as the shortest; each picture has the size of the first."""
    height, width = clips[0].frames[0].shape[:2]
    for t in range(min(map(len, clips))):
        ones = [_fitted(cut_out(clip, t), (width, height)) for clip in clips]
        rows = [np.hstack([one.rgb for one in ones[n : n + 2]]) for n in range(0, len(ones), 2)]
        corners = [np.array([width * (n % 2), height * (n // 2)], np.float64) for n in range(len(ones))]
        people = [
            TruePerson(n, one.joints + corner, one.area, _share_within(one) >= _LEAST_VISIBLE)
            for n, (one, corner) in enumerate(zip(ones, corners, strict=True))
        ]
        yield Frame(np.vstack(rows)), people


def crossing(clip: Clip, other: Clip, *, in_front: bool) -> Iterator[Moment]:
    """The other's person walks across the clip, from its left edge to its right one, on the same ground."""
    height, width = clip.frames[0].shape[:2]
    count = min(len(clip), len(other))
    order = [*range(count), *range(count - 2, -1, -1)]
    scale, (x, y) = _on_same_ground(clip, other, count)
    for step, t in enumerate(order):
        across = (width - 1) * step / max(1, len(order) - 1)
        stays, walks = cut_out(clip, t), placed(cut_out(other, t), scale, (across - x, y), (width, height))
        shown = walks.mask if in_front else walks.mask & ~stays.mask
        picture = stays.rgb.copy()
        picture[shown] = walks.rgb[shown]
        front, back = (walks, stays) if in_front else (stays, walks)
        people = [
            TruePerson(n, one.joints, one.area, _share_within(one, front if one is back else None) >= _LEAST_VISIBLE)
            for n, one in enumerate((stays, walks))
        ]
        yield Frame(picture), people


def _on_same_ground(clip: Clip, other: Clip, count: int) -> tuple[float, tuple[float, float]]:
    """How the other's person is scaled; the middle of their path then, and how far down they are moved."""
    mine, theirs = clip.boxes[:count].mean(axis=0), other.boxes[:count].mean(axis=0)
    scale = float(np.clip(mine[3] / theirs[3], _SMALLEST, _LARGEST))
    middle = float(theirs[0] + theirs[2] / 2) * scale
    return scale, (middle, float(mine[1] + mine[3]) - float(theirs[1] + theirs[3]) * scale)


def _fitted(one: CutOut, size: tuple[int, int]) -> CutOut:
    """The picture in a frame of that size, black where its shape is another one."""
    height, width = one.rgb.shape[:2]
    if (width, height) == size:
        return one
    scale = min(size[0] / width, size[1] / height)
    fitted = placed(one, scale, (0.0, 0.0), size)
    picture = np.zeros_like(fitted.rgb)
    rows, columns = round(height * scale), round(width * scale)
    picture[:rows, :columns] = cv2.resize(one.rgb, (columns, rows), interpolation=cv2.INTER_AREA)
    return CutOut(picture, fitted.mask, fitted.joints, fitted.area)


def _share_within(one: CutOut, hider: CutOut | None = None) -> float:
    """Share of the joints that are in the picture and not behind the hider."""
    height, width = one.mask.shape
    cells = np.round(one.joints).astype(int)
    within: Array = np.asarray(((cells >= 0) & (cells < (width, height))).all(axis=1))
    seen = within.copy()
    if hider is not None:
        x, y = cells[within].T
        seen[within] = ~hider.mask[y, x]
    return float(seen.mean())
