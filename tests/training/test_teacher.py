"""A teacher's pseudo-labels: their style, and how they and a data set's labels become one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.values import Array
from tests.training import made_up
from training.datasets.coco import JOINTS_17
from training.datasets.person import SKELETON, Clip
from training.teacher import style
from training.teacher.blend import blend, restyle_clips

PEOPLE = 60
SIZE = 60.0
SERVED = [SKELETON.index(name) for name in style.LIMB_JOINTS]
COCO = [JOINTS_17.index(name) for name in style.LIMB_JOINTS]
OTHER = [i ^ 1 for i in range(12)]
"""Left and right alternate in LIMB_JOINTS."""

STANDING = np.array(
    [
        (40, 20),
        (20, 20),
        (45, 32),
        (15, 32),
        (47, 44),
        (13, 44),
        (36, 45),
        (24, 45),
        (37, 60),
        (23, 60),
        (38, 75),
        (22, 75),
    ],
    float,
)
"""A person of 60 x 60 pixels or so who faces us, in the order of LIMB_JOINTS."""

LEFT_WRIST = style.LIMB_JOINTS.index("left_wrist")
FAR = np.array([30.0, -10.0])


def crowd(seed: int = 0) -> Array:
    """People [N, 12, 2] in many poses."""
    return STANDING + np.random.default_rng(seed).normal(0, 8, (PEOPLE, 12, 2))


def everyone() -> Array:
    """Every joint usable."""
    return np.ones((PEOPLE, 12), bool)


def sizes() -> Array:
    """All people of one size."""
    return np.full(PEOPLE, SIZE)


def known() -> Array:
    """Coefficients of a size that data sets differ by."""
    return np.random.default_rng(1).normal(0, 0.04, (6, 7))


def moved(people: Array, coefficients: Array) -> Array:
    """People by the coefficients, written out joint by joint."""
    result = people.copy()
    at = {name: i for i, name in enumerate(style.LIMB_JOINTS)}
    for n, p in enumerate(people):
        hips, shoulders = (
            (p[at["left_hip"]] + p[at["right_hip"]]) / 2,
            (p[at["left_shoulder"]] + p[at["right_shoulder"]]) / 2,
        )
        for side, other in (("left", "right"), ("right", "left")):
            chain = [("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")]
            across = [p[at[f"{other}_{part}"]] - p[at[f"{side}_{part}"]] for part in ("shoulder", "hip")]
            bones = [p[at[f"{side}_{end}"]] - p[at[f"{side}_{start}"]] for start, end in chain]
            for row, part in enumerate(style.PARTS):
                for weight, vector in zip(coefficients[row], [hips - shoulders, *across, *bones], strict=True):
                    result[n, at[f"{side}_{part}"]] += weight * vector
    return result


def test_restyling_moves_each_joint_along_its_own_body() -> None:
    """Against the sum written out in loops."""
    people = crowd()
    found = np.stack([style.restyle(person, known()) for person in people])
    np.testing.assert_allclose(found, moved(people, known()), atol=1e-9)


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=12, max_size=12), st.integers(0, 1000))
def test_unknown_joints_move_nothing(labelled: list[bool], seed: int) -> None:
    """Wherever the joints lie that are not labelled, the others move alike: no vector that ends at one is used."""
    known_joints, person = np.array(labelled), crowd(seed)[0]
    elsewhere = np.where(known_joints[:, None], person, -1000.0)
    one, other = (style.restyle(joints, known(), known_joints) for joints in (person, elsewhere))
    np.testing.assert_allclose(one[known_joints], other[known_joints], atol=1e-9)


def test_a_joint_moves_along_the_vectors_that_are_known() -> None:
    """With the ankle unknown a knee moves along all the rest of its body, but not along the lower leg."""
    person, labelled = crowd()[0], np.ones(12, bool)
    knee, ankle = (style.LIMB_JOINTS.index(f"left_{part}") for part in ("knee", "ankle"))
    labelled[ankle] = False
    whole = style.restyle(person, known())[knee]
    lower_leg = known()[style.PARTS.index("knee"), style.VECTORS - 1] * (person[ankle] - person[knee])
    np.testing.assert_allclose(style.restyle(person, known(), labelled)[knee], whole - lower_leg, atol=1e-9)


def test_all_labelled_is_the_same_as_nothing_said() -> None:
    """None means that every joint is known."""
    person = crowd()[0]
    np.testing.assert_array_equal(style.restyle(person, known()), style.restyle(person, known(), np.ones(12, bool)))


def test_a_fit_finds_the_style_that_made_the_labels() -> None:
    """Labels made by known coefficients give them back, but for the ridge's little shrinking."""
    people = crowd()
    found = style.fit(people, moved(people, known()), everyone(), sizes())
    np.testing.assert_allclose(found, known(), atol=0.005)


def test_a_fit_leaves_out_labels_that_are_mistakes() -> None:
    """One label in ten half a body away changes the fit not at all: it is trimmed."""
    people = crowd()
    labels, usable = moved(people, known()), everyone()
    wrong = np.random.default_rng(2).random(usable.shape) < 0.1
    labels[wrong] += 0.5 * SIZE
    found = style.fit(people, labels, usable, sizes())
    np.testing.assert_allclose(found, style.fit(people, labels, ~wrong, sizes()), atol=1e-9)


def test_a_fit_does_not_hear_joints_that_are_not_usable() -> None:
    """What the teacher is unsure of may be anything, even near the label."""
    people = crowd()
    labels, usable = moved(people, known()), everyone()
    usable[::3] = False
    spoilt = labels.copy()
    spoilt[::3] += 0.05 * SIZE
    np.testing.assert_array_equal(
        style.fit(people, spoilt, usable, sizes()), style.fit(people, labels, usable, sizes())
    )


@settings(max_examples=15)
@given(st.floats(-np.pi, np.pi), st.floats(0.1, 10.0), st.tuples(st.floats(-500, 500), st.floats(-500, 500)))
def test_a_fit_turns_and_scales_with_the_people(angle: float, scale: float, shift: tuple[float, float]) -> None:
    """Style is said in the body's own vectors: a turned, larger crowd elsewhere has the same."""
    people, labels = crowd(), moved(crowd(), known())
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    found = style.fit(people @ turn.T + shift, labels @ turn.T + shift, everyone(), scale * sizes())
    np.testing.assert_allclose(found, style.fit(people, labels, everyone(), sizes()), atol=1e-7)


@settings(max_examples=15)
@given(st.integers(0, 1000))
def test_a_fit_is_the_same_in_the_mirror(seed: int) -> None:
    """A mirrored crowd, left and right renamed, has the same style; also where the labels have noise."""
    people = crowd(seed)
    labels = moved(people, known()) + np.random.default_rng(seed).normal(0, 1, people.shape)
    mirror = np.array([-1.0, 1.0])
    found = style.fit(people[:, OTHER] * mirror, labels[:, OTHER] * mirror, everyone(), sizes())
    np.testing.assert_allclose(found, style.fit(people, labels, everyone(), sizes()), atol=1e-9)


def pictures(standing: Array = STANDING, count: int = 9) -> list[Clip]:
    """Pictures of the same person, all joints labelled."""
    joints = np.full((1, len(SKELETON), 2), 10.0, np.float32)
    joints[0, SERVED] = standing
    box = np.array([[0.0, 15.0, SIZE, SIZE]], np.float32)
    return [replace(made_up.still(), name=f"im{i}", joints=joints.copy(), boxes=box) for i in range(count)]


def write(path: Path, clips: list[Clip], first: Array, score: float, coefficients: Array | None = None) -> Path:
    """A teacher that agrees with all labels but says `first` [12, 2], with a score of its own, of the first picture."""
    joints, scores = np.zeros((len(clips), 17, 2), np.float32), np.full((len(clips), 17), 0.9, np.float32)
    joints[:, COCO] = [clip.joints[0, SERVED] for clip in clips]
    joints[0, COCO], scores[0] = first, score
    names = np.array([clip.name for clip in clips])
    still = np.zeros((6, 7)) if coefficients is None else coefficients
    np.savez(path, names=names, joints=joints, scores=scores, style=still)
    return path


def predicted(standing: Array, by: Array) -> Array:
    """That person with the left wrist elsewhere."""
    result = standing.copy()
    result[LEFT_WRIST] += by
    return result


def blended_wrist(clips: list[Clip], path: Path) -> tuple[Array, bool]:
    """The first picture's left wrist after blending, and whether it is labelled."""
    first, joint = blend(clips, path)[0], SERVED[LEFT_WRIST]
    return first.joints[0, joint], bool(first.labelled[0, joint])


def test_labels_that_agree_are_averaged(tmp_path: Path) -> None:
    """Four pixels apart on a person of sixty: the truth is between."""
    clips = pictures()
    path = write(tmp_path / "t.npz", clips, predicted(STANDING, np.array([4.0, 2.0])), 0.9)
    wrist, labelled = blended_wrist(clips, path)
    np.testing.assert_allclose(wrist, STANDING[LEFT_WRIST] + (2.0, 1.0), atol=1e-4)
    assert labelled


def test_a_sure_teacher_overrules_a_label_on_an_upright_person(tmp_path: Path) -> None:
    """Far apart, the network's word counts."""
    clips = pictures()
    path = write(tmp_path / "t.npz", clips, predicted(STANDING, FAR), 0.9)
    wrist, labelled = blended_wrist(clips, path)
    np.testing.assert_allclose(wrist, STANDING[LEFT_WRIST] + FAR, atol=1e-4)
    assert labelled


def test_a_sure_teacher_does_not_overrule_a_label_on_one_upside_down(tmp_path: Path) -> None:
    """Networks take hands for feet there: the joint is left without a label, as in doubt."""
    inverted = STANDING * (1.0, -1.0) + (0.0, 95.0)
    clips = pictures(inverted)
    path = write(tmp_path / "t.npz", clips, predicted(inverted, FAR), 0.9)
    wrist, labelled = blended_wrist(clips, path)
    np.testing.assert_allclose(wrist, inverted[LEFT_WRIST], atol=1e-4)
    assert not labelled


def test_a_disagreement_with_an_unsure_teacher_unlabels(tmp_path: Path) -> None:
    """Nobody knows: the joint is masked."""
    clips = pictures()
    path = write(tmp_path / "t.npz", clips, predicted(STANDING, FAR), 0.4)
    assert not blended_wrist(clips, path)[1]


def test_a_teacher_who_did_not_see_is_not_heard(tmp_path: Path) -> None:
    """A score of 0, as where the mirror disagrees, leaves the label as it is."""
    clips = pictures()
    path = write(tmp_path / "t.npz", clips, predicted(STANDING, FAR), 0.0)
    wrist, labelled = blended_wrist(clips, path)
    np.testing.assert_allclose(wrist, STANDING[LEFT_WRIST], atol=1e-4)
    assert labelled


@pytest.mark.parametrize(("score", "taken"), [(0.9, True), (0.4, False)])
def test_an_unlabelled_joint_takes_only_a_sure_teacher(tmp_path: Path, score: float, taken: bool) -> None:
    """What the annotators could not see, a sure teacher may fill in."""
    clips = pictures()
    clips[0].labelled[0, SERVED[LEFT_WRIST]] = False
    path = write(tmp_path / "t.npz", clips, predicted(STANDING, FAR), score)
    wrist, labelled = blended_wrist(clips, path)
    assert labelled is taken
    if taken:
        np.testing.assert_allclose(wrist, STANDING[LEFT_WRIST] + FAR, atol=1e-4)


def test_a_teachers_habit_is_no_disagreement(tmp_path: Path) -> None:
    """A wrist that lies 12 pixels lower in every picture is how this teacher sees wrists: labels follow it."""
    clips = pictures()
    path = write(tmp_path / "t.npz", clips, STANDING, 0.9)
    with np.load(path) as archive:
        content = dict(archive)
    content["joints"][:, COCO[LEFT_WRIST]] += (0.0, 12.0)
    np.savez(path, **content)
    wrist, labelled = blended_wrist(clips, path)
    np.testing.assert_allclose(wrist, STANDING[LEFT_WRIST] + (0.0, 12.0), atol=1e-4)
    assert labelled


def test_blended_joints_are_restyled(tmp_path: Path) -> None:
    """In the end the limbs' joints lie where the measured set has them; the head stays."""
    clips = pictures()
    path = write(tmp_path / "t.npz", clips, STANDING, 0.9, known())
    first, head = blend(clips, path)[0], SKELETON.index("head")
    np.testing.assert_allclose(first.joints[0, SERVED], moved(STANDING[None], known())[0], atol=1e-4)
    np.testing.assert_array_equal(first.joints[0, head], clips[0].joints[0, head])


def test_people_labelled_by_hand_are_restyled_without_their_unknown_joints(tmp_path: Path) -> None:
    """COCO's people: limbs move to JHMDB's places, what is not labelled plays no part and stays unlabelled."""
    clips = pictures(count=2)
    path = write(tmp_path / "t.npz", clips, STANDING, 0.9, known())
    clips[0].joints[0, SERVED[LEFT_WRIST]] = (0.0, 0.0)
    clips[0].labelled[0, SERVED[LEFT_WRIST]] = False
    first, second = restyle_clips(clips, path)
    np.testing.assert_allclose(second.joints[0, SERVED], moved(STANDING[None], known())[0], atol=1e-4)
    labelled = first.labelled[0, SERVED]
    assert [style.LIMB_JOINTS[i] for i in np.flatnonzero(~labelled)] == ["left_wrist"]
    expected = style.restyle(STANDING, known(), labelled)
    np.testing.assert_allclose(first.joints[0, SERVED][labelled], expected[labelled], atol=1e-4)
    head = SKELETON.index("head")
    np.testing.assert_array_equal(first.joints[0, head], clips[0].joints[0, head])


def test_pictures_that_the_teacher_has_not_seen_stay(tmp_path: Path) -> None:
    """Blending changes what is in the file, and nothing else, not even the clips that it was given."""
    clips = pictures()
    before = [clip.joints.copy() for clip in clips]
    path = write(tmp_path / "t.npz", clips[:5], predicted(STANDING, FAR), 0.9)
    result = blend(clips, path)
    assert all(a is b for a, b in zip(result[5:], clips[5:], strict=True))
    assert all(np.array_equal(clip.joints, joints) for clip, joints in zip(clips, before, strict=True))
