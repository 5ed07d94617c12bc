"""Filters against signals that are known; angles and scale against a figure of known limbs."""

import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from model.values import Array
from service.errors import BadRequest
from service.kinematics import filters
from service.kinematics.angles import NAMES, angles_of
from service.kinematics.filters import OneEuro
from service.kinematics.process import FrameByFrame, Wanted, kinematics_of
from service.kinematics.scale import metres_per_pixel
from tests.support.results import ListedResults, one_person, two_people

HZ = 100.0
TIME = np.arange(400) / HZ


def wave(hz: float) -> Array:
    """A sine of amplitude 1: [T, 1]."""
    return np.sin(2 * np.pi * hz * TIME)[:, None]


# -- filters ----------------------------------------------------------------------------------------------


def test_butterworth_keeps_slow_movement_without_lag_and_takes_noise_away() -> None:
    """1 Hz passes, also at the ends; 30 Hz does not."""
    slow = filters.butterworth(wave(1) + 0.2 * wave(30), TIME, 6)

    assert np.abs(slow - wave(1))[20:-20].max() < 0.01


def test_butterworth_halves_the_power_at_its_cut_off() -> None:
    """Of both passes together: 0.707 of the amplitude."""
    middle = filters.butterworth(wave(6), TIME, 6)[100:300]

    assert np.abs(middle).max() == pytest.approx(np.sqrt(0.5), abs=0.01)


def test_savgol_keeps_a_cubic() -> None:
    """What a polynomial of its degree is made of comes back as it was."""
    cubic = (TIME**3 - 2 * TIME**2 + TIME)[:, None]

    assert filters.savgol(cubic, TIME, 0.3) == pytest.approx(cubic, abs=1e-9)


def test_one_euro_is_causal_and_follows_what_moves() -> None:
    """Later values change nothing before them; a rest is smoothed, a fast move is followed."""
    noise = np.random.default_rng(0).normal(0, 1, (400, 2))
    moved = noise.copy()
    moved[200:] += 300
    smooth, other = filters.one_euro(noise, TIME), filters.one_euro(moved, TIME)

    assert np.array_equal(smooth[:200], other[:200])
    assert smooth[50:].std() < 0.5 * noise[50:].std()
    assert np.abs(other[240:] - 300).max() < 6


def test_an_uneven_clock_does_not_bend_a_path() -> None:
    """Filters that need an even grid get one."""
    uneven = TIME + np.random.default_rng(0).uniform(-0.3, 0.3, len(TIME)) / HZ
    path = np.sin(2 * np.pi * uneven)[:, None]

    assert np.abs(filters.butterworth(path, uneven, 6) - path)[20:-20].max() < 0.02


@pytest.mark.parametrize("smooth", [filters.butterworth, filters.savgol, filters.one_euro])
def test_gaps_stay_gaps_and_short_pieces_stay(smooth: filters.Smoother) -> None:
    """Nothing is made up by a filter, and what is too short for it is left alone."""
    values = wave(1)
    values[100:150] = np.nan
    values[152:] = np.nan
    result = smooth(values, TIME)

    assert np.array_equal(np.isnan(result), np.isnan(values))


def test_an_outlier_goes_and_a_fast_move_stays() -> None:
    """A joint that jumps away and back is no sighting; one that moves on is."""
    xy = np.repeat(TIME[:, None] * 300, 2, axis=1)[:, None]  # [T, 1, 2]: 3 px a frame
    spiked = xy.copy()
    spiked[50, 0, 1] += 80
    result = filters.without_outliers(spiked, 5)

    assert np.flatnonzero(np.isnan(result[:, 0, 0])).tolist() == [50]
    assert np.isnan(result[50]).all()


def test_short_gaps_are_filled_with_lines() -> None:
    """No longer ones, and nothing at the ends."""
    line = TIME[:, None].copy()
    line[:5] = line[10:15] = line[100:200] = np.nan
    result = filters.filled(line, TIME, 0.1)

    assert result[10:15] == pytest.approx(TIME[10:15, None])
    assert np.isnan(result[:5]).all()
    assert np.isnan(result[100:200]).all()


# -- angles and scale -------------------------------------------------------------------------------------

LIMBS = {"shank": 0.246, "thigh": 0.245, "trunk": 0.288, "neck": 0.117, "upper_arm": 0.186, "forearm": 0.146}


def figure(stature: float, facing: int = 1, **bent: float) -> Array:
    """Joints [1, 13, 2], y down, of somebody who stands with these flexions, degrees, seen from the side."""
    trunk = np.radians(90)
    thigh = trunk + np.radians(bent.get("hip", 0))
    shank = thigh - np.radians(bent.get("knee", 0))
    upper_arm = trunk + np.radians(bent.get("shoulder", 0))
    forearm = upper_arm + np.radians(bent.get("elbow", 0))

    def up(length: str, angle: float) -> Array:
        return LIMBS[length] * stature * np.array([facing * np.cos(angle), -np.sin(angle)])

    hip = np.array([300.0, 200.0])
    knee = hip - up("thigh", thigh)
    shoulder = hip + up("trunk", trunk)
    elbow = shoulder - up("upper_arm", upper_arm)
    points = {
        "head": shoulder + up("neck", trunk),
        "shoulder": shoulder,
        "elbow": elbow,
        "wrist": elbow - up("forearm", forearm),
        "hip": hip,
        "knee": knee,
        "ankle": knee - up("shank", shank),
    }
    return np.stack([points[joint.split("_")[-1]] for joint in KINEPOSE_13.joints])[None]


@pytest.mark.parametrize("facing", [1, -1])
def test_flexion_is_positive_whichever_way_somebody_faces(facing: int) -> None:
    """Each joint by itself; an extended hip is negative."""
    bent = {"hip": -20.0, "knee": 50.0, "shoulder": 30.0, "elbow": 70.0}
    angles = dict(zip(NAMES, angles_of(figure(170, facing, **bent), KINEPOSE_13)[0].tolist(), strict=True))

    for joint, degrees in bent.items():
        for side in ("left", "right"):
            assert angles[f"{side}_{joint}_flexion_deg"] == pytest.approx(degrees), joint
    assert angles["trunk_deg"] == pytest.approx(90)


def test_who_stands_straight_has_angles_of_nothing() -> None:
    """All joints 0, all segments upright."""
    angles = angles_of(figure(170), KINEPOSE_13)[0]

    assert angles == pytest.approx([0 if "flexion" in name else 90 for name in NAMES])


def test_an_end_that_is_not_seen_has_no_angle() -> None:
    """Only those that need it."""
    points = figure(170, knee=30)
    points[0, KINEPOSE_13.index("left_ankle")] = np.nan
    angles = dict(zip(NAMES, angles_of(points, KINEPOSE_13)[0].tolist(), strict=True))

    assert {name for name, value in angles.items() if np.isnan(value)} == {"left_knee_flexion_deg", "left_shank_deg"}


def test_a_scale_follows_from_the_height_however_limbs_bend() -> None:
    """340 px for 1.7 m."""
    poses = np.concatenate([figure(340), figure(340, knee=60, hip=40)])

    assert metres_per_pixel(poses, KINEPOSE_13, 1.7) == pytest.approx(0.005)


# -- together ---------------------------------------------------------------------------------------------


def test_metres_have_y_up_from_the_foot_of_the_picture() -> None:
    """By a given scale; pixels that are not square are squared first."""
    results = one_person()
    made = kinematics_of(results, KINEPOSE_13, Wanted(metres_per_pixel=0.01), pixel_aspect=2.0)
    x, y = next(iter(results)).people[0].pose.xy_px[0].tolist()

    row = dict(zip(made.columns, made.tables[1][0].tolist(), strict=True))
    assert (row["head_x_m"], row["head_y_m"]) == pytest.approx((x * 2 * 0.01, (359 - y) * 0.01))


def test_who_is_filled_in_is_told_where_nobody_was_read() -> None:
    """Between two sightings that are near enough in time."""
    made = kinematics_of(one_person(), KINEPOSE_13, Wanted(fill_gaps_s=0.1))

    assert made.tracks_at(1) == [1]
    assert kinematics_of(one_person(), KINEPOSE_13, Wanted(fill_gaps_s=0.05)).tracks_at(1) == []


def test_low_scores_count_as_not_seen() -> None:
    """The third joint is a guess."""
    made = kinematics_of(two_people(), KINEPOSE_13, Wanted(min_score=0.3))

    assert np.isnan(made.xy[1][0]).all(axis=1).tolist() == [False, False, True] + [False] * 10


@pytest.mark.parametrize("results", [one_person(), two_people()], ids=["one", "two"])
def test_frame_by_frame_gives_what_the_whole_clip_does(results: ListedResults) -> None:
    """A live stream need not wait for its end where what is wanted looks at no later frame."""
    wanted = Wanted(smooth="one_euro", strength=2.0, min_score=0.3, metres_per_pixel=0.01)
    whole = kinematics_of(results, KINEPOSE_13, wanted, pixel_aspect=2.0)
    single = FrameByFrame(KINEPOSE_13, wanted, pixel_aspect=2.0)

    assert wanted.causal
    for index, result in enumerate(results):
        made = single(result)
        assert made.columns == whole.columns
        assert made.tracks_at(0) == whole.tracks_at(index)
        for track_id in made.tracks_at(0):
            assert np.array_equal(made.tables[track_id][0], whole.tables[track_id][index], equal_nan=True)


def test_frames_go_on_from_the_filters_of_another() -> None:
    """To the last bit: whoever has what one left behind goes on as that one would have."""
    wanted = Wanted(smooth="one_euro")
    one = FrameByFrame(KINEPOSE_13, wanted)
    expected = [one(result) for result in two_people()]
    filters: dict[int, OneEuro] = {}
    for result, made in zip(two_people(), expected, strict=True):
        other = FrameByFrame(KINEPOSE_13, wanted, filters=filters)
        assert other(result).at(0) == made.at(0)
        filters = other.filters


@pytest.mark.parametrize("wrong", [{"smooth": "magic"}, {"height_m": 1.8, "metres_per_pixel": 0.1}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    """By name."""
    with pytest.raises(BadRequest):
        Wanted(**wrong)  # type: ignore[arg-type]
