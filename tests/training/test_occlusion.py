"""Hidden joints: where the patches lie, which frames count, and what the curve says of a network that sees dots."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from model.coords import region_to_transform
from model.engines.base import ModelInput, ModelOutput
from model.tracker import Tracker
from tests.support.dots import DotEngine, person, picture
from training.datasets.person import Clip
from training.evaluation.occlusion import GREY, KINDS, OcclusionOptions, cover, hidden_joints, occlusion_curves, trials

FEW = OcclusionOptions(hidden=(0, 2, 9))


def _stand(frames: int, name: str = "stand") -> Clip:
    """A person of dots who does not move."""
    joints = np.stack([person(60, 50, 110)] * frames).astype(np.float32)
    pictures = np.stack([picture(row).rgb for row in joints])
    boxes = np.tile(np.array([65.0, 48, 90, 114], np.float32), (frames, 1))
    return Clip(name, pictures, joints, np.ones(joints.shape[:2], bool), boxes)


@dataclass
class RememberingEngine(DotEngine):
    """A joint whose dot is not seen stays where the previous maps have it."""

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """See Engine."""
        outputs = super().infer(inputs)
        return [_filled(out, item) for out, item in zip(outputs, inputs, strict=True)]


def _filled(output: ModelOutput, item: ModelInput) -> ModelOutput:
    if item.m_prev is None:
        return output
    seen = output.m.max(axis=(1, 2)) > 0
    m = np.where(seen[:, None, None], output.m, item.m_prev)
    return ModelOutput(m, output.q, m, output.presence)


def _tracker() -> Tracker:
    return Tracker(RememberingEngine(), "digest")


def test_a_patch_covers_a_square_round_its_joint_and_nothing_else() -> None:
    """Side 4 round (10.5, 6): columns 9 to 12, rows 4 to 8; the frame handed in stays as it was."""
    rgb = np.zeros((20, 30, 3), np.uint8)
    covered = cover(rgb, np.array([[10.5, 6.0]]), 4.0)
    rows, columns = np.nonzero(covered[..., 0] == GREY)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 8, 9, 12)
    assert len(rows) == 20
    assert not rgb.any()


def test_a_patch_outside_the_frame_is_cut_off() -> None:
    """A joint left of and above the picture does not wrap round to its other side."""
    covered = cover(np.zeros((20, 30, 3), np.uint8), np.array([[-5.0, -5.0], [-1.0, 10.0], [99.0, 3.0]]), 4.0)
    rows, columns = np.nonzero(covered[..., 0])
    assert set(columns) == {0, 1}
    assert set(rows) == {8, 9, 10, 11, 12}


def test_hidden_joints_are_drawn_by_seed_clip_and_frame() -> None:
    """Again the same; elsewhere others; never an unlabelled one; more include fewer."""
    clip = _stand(6)
    labelled = clip.labelled.copy()
    labelled[:, [0, 4, 7]] = False
    clip = replace(clip, labelled=labelled)
    drawn = [hidden_joints(clip, t, 4, seed=0) for t in range(6)]
    assert all(np.array_equal(mask, hidden_joints(clip, t, 4, seed=0)) for t, mask in enumerate(drawn))
    assert len({mask.tobytes() for mask in drawn}) > 1
    assert len({hidden_joints(replace(clip, name=name), 0, 4, 0).tobytes() for name in "abcdef"}) > 1
    assert len({hidden_joints(clip, 0, 4, seed).tobytes() for seed in range(6)}) > 1
    assert all(mask.sum() == 4 and not (mask & ~clip.labelled[t]).any() for t, mask in enumerate(drawn))
    assert (hidden_joints(clip, 0, 5, 0) & drawn[0]).sum() == 4
    assert hidden_joints(clip, 0, 12, 0).sum() == 10


@pytest.mark.parametrize(("stride", "starts"), [(1, [4, 9, 14]), (2, [4, 14])])
def test_one_frame_in_five_is_hidden_after_clear_ones(stride: int, starts: list[int]) -> None:
    """Each such frame by itself, with the state of the frame before it."""
    found = list(trials(_tracker(), _stand(17), "one frame", stride))
    assert [trial.start for trial in found] == starts
    assert all(len(trial.frames) == 1 for trial in found)
    # The state of the frame before was made in that frame's crop.
    before = [region_to_transform(_stand(17).region(trial.start - 1), 192) for trial in found]
    assert [trial.past.tracks[0].transform for trial in found] == before


@pytest.mark.parametrize(("stride", "starts"), [(1, [1, 6, 11]), (2, [1, 11])])
def test_a_window_starts_afresh_and_hides_its_last_four_frames(stride: int, starts: list[int]) -> None:
    """The first frame is clear, read as the first of a track, and does not count."""
    tracker = _tracker()
    found = list(trials(tracker, _stand(17), "frames 2..T", stride))
    assert [trial.start for trial in found] == starts
    assert all(len(trial.frames) == 4 for trial in found)
    assert all(item.fresh for item in tracker.engine.seen)  # type: ignore[attr-defined]


def test_a_reader_with_memory_keeps_hidden_joints_and_one_without_loses_them() -> None:
    """A person who stands still is known from the frame before; frame by frame what is hidden is lost."""
    curves = occlusion_curves(_tracker(), [_stand(10)], FEW)
    assert tuple(curves) == KINDS
    for readers in curves.values():
        assert [point.hidden for point in readers["recurrent"]] == [0, 2, 9]
        assert [point.all_joints for point in readers["recurrent"]] == [100.0, 100.0, 100.0]
        alone = readers["frame by frame"]
        assert alone[0].all_joints == alone[0].hidden_joints == 100.0
        assert alone[1].hidden_joints < 50.0
        assert alone[2].all_joints < alone[1].all_joints < 100.0


def test_the_curve_is_the_same_every_time() -> None:
    """Seeded by clip and frame, whatever was read before."""
    first, second = _stand(10, "first"), _stand(10, "second")
    once = occlusion_curves(_tracker(), [first, second], FEW)
    assert once == occlusion_curves(_tracker(), [second, first], FEW)


def test_clips_too_short_for_a_kind_leave_it_out() -> None:
    """Four frames make no window and no fifth frame; each clip that is done is told."""
    told: list[str] = []
    assert occlusion_curves(_tracker(), [_stand(4)], FEW, told.append) == {}
    assert told == ["stand"]


def test_senseless_options_are_refused() -> None:
    """A stride of 0 would never end."""
    with pytest.raises(ValueError, match="stride >= 1"):
        OcclusionOptions(stride=0)
