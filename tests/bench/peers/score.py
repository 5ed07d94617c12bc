"""PCK of each subject on the test clips of JHMDB: whole frames, no region given; whom it does not see it misses."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.pck import pck, person_size, torso_size
from model.values import Array
from tests.bench.peers.subjects import Subject
from training.datasets import jhmdb
from training.datasets.person import SKELETON, Clip


def scores(subjects: Sequence[Subject], data: Path, scratch: Path) -> dict[str, dict[str, float]]:
    """PCK@0.2 of each by person size and by torso, percent, over all test clips."""
    root = data.absolute() / "JHMDB"
    clips = list(jhmdb.read_clips(root, jhmdb.split_names("test")))
    files = [next((root / "ReCompress_Videos").glob(f"*/{clip.name.rpartition('/')[2]}.avi")) for clip in clips]
    return {subject.name: _score(subject, clips, files) for subject in subjects}


def _score(subject: Subject, clips: Sequence[Clip], files: Sequence[Path]) -> dict[str, float]:
    read = [_joints(subject, clip, file) for clip, file in zip(clips, files, strict=True)]
    predicted, truth, boxes, labelled = (
        np.concatenate(parts)
        for parts in (
            read,
            [clip.joints for clip in clips],
            [clip.boxes for clip in clips],
            [clip.labelled for clip in clips],
        )
    )
    sizes = {"person": person_size(boxes), "torso": torso_size(truth, predicted, SKELETON)}
    return {
        name: round(pck(predicted, truth, size, SKELETON, labelled=labelled).mean, 2) for name, size in sizes.items()
    }


def _joints(subject: Subject, clip: Clip, file: Path) -> Array:
    """Joints float32 [T, 13, 2]; far away where nobody was seen."""
    command = [*subject.command, str(file)]
    done = subprocess.run(command, capture_output=True, check=True, env=subject.whole_environment, cwd=Path("/"))
    lines = [json.loads(line) for line in done.stdout.splitlines() if not line.startswith(b'{"clip"')]
    found = np.full((len(clip), len(SKELETON), 2), -1e4, np.float32)
    # Containers of JHMDB end a frame early or late with some readers.
    for t, line in enumerate(lines[: len(clip)]):
        joints = _of_line(line, subject.joints)
        if joints is not None:
            found[t] = joints
    return found


def _of_line(line: dict[str, Any], how: str) -> list[list[float]] | None:
    if how == "joints":
        joints: list[list[float]] | None = line["joints"]
        return joints
    people = line["people"]
    return [[joint["x"], joint["y"]] for joint in people[0]["joints"]] if people else None
