"""A made-up report with believable numbers: every section has something to show."""

import math

from model.skeletons import KINEPOSE_13
from training.report.content import Content, Head, Occluded, Table, WorstClip

JOINTS = list(KINEPOSE_13.joints)
NORMALISERS = {
    "person": "longer side of the true box",
    "torso": "left shoulder to right hip in the truth, or the predicted one where that is below 1 px",
}
_MEANS = {"box": (95.1, 80.4), "region": (93.2, 77.9), "none": (89.6, 73.1)}
_HARDER = [1.5, 0.8, 1.0, -1.6, 0.1, -5.8, -2.3, 0.4, 0.6, 1.1, 0.7, -0.2, -0.9]
_POSE = [(0, -48), (9, -33), (-9, -33), (17, -17), (-18, -18), (22, 0), (-22, -3), (7, 4), (-7, 4)]
_POSE += [(9, 27), (-10, 26), (10, 50), (-13, 49)]


def report(dataset: str = "jhmdb", part: str = "test", note: str = "One person a clip.", clip: str = "") -> Content:
    """The content; `note` and `clip` stand where a reader's own text would."""
    names = [
        "climb_stairs",
        "golf",
        "jump",
        "kick_ball",
        "pullup",
        "push",
        "run",
        "shoot_ball",
        "swing_baseball",
        "walk",
    ]
    return Content(
        head=head(dataset, part),
        joints=JOINTS,
        bones=list(KINEPOSE_13.bones),
        modes={mode: _table(*means) for mode, means in _MEANS.items()},
        frame_by_frame={mode: _table(a - 0.9, b - 1.6) for mode, (a, b) in _MEANS.items()},
        alphas=[round(0.01 * i, 2) for i in range(1, 51)],
        curves={mode: {"person": _curve(a), "torso": _curve(b)} for mode, (a, b) in _MEANS.items()},
        actions={name: {mode: _shifted(means, i) for mode, means in _MEANS.items()} for i, name in enumerate(names)},
        occlusion={
            kind: {"recurrent": _occluded(1.4 + late, 5), "frame by frame": _occluded(2.6 + late, 9)}
            for kind, late in (("one frame", 0.0), ("frames 2..T", 0.6))
        },
        relation=_relation(),
        worst=[_worst(clip or f"{name}/a_clip_of_{name}_u_cm_np1_ba_med_{i}", name, i) for i, name in enumerate(names)],
        stills={"LSPET val": _table(86.3, 68.8)},
        notes=[note, "The box is followed as served; a missed person counts as missed joints."],
    )


def head(dataset: str = "jhmdb", part: str = "test") -> Head:
    """Conditions, each with a value that no other has."""
    return Head(
        model="kimnet-lite",
        version="0.4.0",
        sha256="9f3b" * 16,
        dataset=dataset,
        part=part,
        split="training/datasets/jhmdb_split.json: 488 train, 29 val, 58 test; no source video is in two of them",
        clips=58,
        frames=2054,
        joints=26702,
        alpha=0.2,
        normalisers=NORMALISERS,
        visibility="all",
        impl="clean",
        torso_invalid="legacy",
        engine="OpenVinoEngine on cpu, bf16",
        command="kinepose-train report --data DATA --dataset jhmdb --part test --weights kimnet-lite --to docs/reports",
        machine="Intel(R) Xeon(R) Processor, 2 cores",
        date="2031-05-17",
    )


def _table(person: float, torso: float) -> Table:
    mean = {"person": person, "torso": torso}
    joints = {
        n: {j: m + d * (1 + (n == "torso")) for j, d in zip(JOINTS, _HARDER, strict=True)} for n, m in mean.items()
    }
    return Table(mean, joints)


def _curve(at_02: float) -> list[float]:
    rate = -math.log(1 - at_02 / 100) / 0.2**0.9
    return [100 * (1 - math.exp(-rate * (0.01 * i) ** 0.9)) for i in range(1, 51)]


def _shifted(means: tuple[float, float], i: int) -> dict[str, float]:
    return {"person": means[0] - (7 * i % 5), "torso": means[1] - (11 * i % 13)}


def _occluded(slope: float, hidden_slope: float) -> list[Occluded]:
    return [
        Occluded(n, 95.1 - slope * n - 0.08 * n * n, 88.0 - hidden_slope * n**0.8 if n else math.nan) for n in range(10)
    ]


def _relation() -> list[list[float]]:
    weights = [
        [1 + 5 * (i == j) + 1.5 * (abs(i - j) == 2) + 0.4 * math.sin(3 * i + j) for j in range(13)] for i in range(13)
    ]
    return [[w / sum(row) for w in row] for row in weights]


def _worst(name: str, action: str, i: int) -> WorstClip:
    frames = [0, 11, 22, 33]
    truth = [[[160.0 + x + 12 * k - 6 * i, 120.0 + 1.3 * y + 3 * i] for x, y in _POSE] for k in range(len(frames))]
    predicted = [
        [[x + 4 * math.sin(k + j + i) + (j % 5) * k, y + 5 * math.cos(2 * j + i)] for j, (x, y) in enumerate(pose)]
        for k, pose in enumerate(truth)
    ]
    return WorstClip(
        name, action, "region", {"person": 41.0 + 3 * i, "torso": 22.5 + 3.1 * i}, frames, (320, 240), truth, predicted
    )
