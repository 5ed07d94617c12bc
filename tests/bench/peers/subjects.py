"""Who is measured: each is a command that reads clips, in order, and writes a line of JSON a frame."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

REFERENCE = "mediapipe-full"
"""Whose figures the others are divided by."""

_ROOT = Path(__file__).parents[3]
_MEDIAPIPE = ("lite", "full", "heavy")
_MOVENET = ("lightning", "thunder")
_OURS = ("kimnet-lite", "kimnet")


@dataclass(frozen=True, slots=True)
class Subject:
    """One method.

    Attributes:
        command: its program and first arguments; one clip follows.
        joints: how a line is read: `kinepose`, or `joints` for [[x, y] or null] of the 13 joints in our order.
        environment: beside what this process has.
    """

    name: str
    command: tuple[str, ...]
    joints: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def whole_environment(self) -> dict[str, str]:
        """What its process gets."""
        return {**os.environ, **self.environment}


def subjects(tools: Path, checkouts: Mapping[str, Path], only: tuple[str, ...] = ()) -> list[Subject]:
    """All of them, or those that `only` names. `checkouts`: other versions of Kinepose, name -> folder.

    Raises:
        SystemExit: `only` names nobody, or what a subject needs is not in `tools`.
    """
    found = [
        *(_kinepose(model, model, _ROOT) for model in _OURS),
        *(_kinepose(f"{model}-bf16", model, _ROOT, "bf16") for model in _OURS),
        *(_kinepose(f"{name}/{model}", model, folder) for name, folder in checkouts.items() for model in _OURS),
        *(_mediapipe(kind, tools) for kind in _MEDIAPIPE),
        *(_movenet(kind, tools) for kind in _MOVENET),
    ]
    chosen = [subject for subject in found if not only or subject.name in only]
    if missing := set(only) - {subject.name for subject in chosen}:
        raise SystemExit(f"no such subject: {', '.join(sorted(missing))}")
    return chosen


def _kinepose(name: str, model: str, folder: Path, precision: str = "f32") -> Subject:
    # The command's own environment: a checkout goes before what is installed.
    command = (sys.executable, "-m", "service", "estimate", "--format", "ndjson", "--model", model)
    return Subject(name, command, "kinepose", {"PYTHONPATH": str(folder), "KINEPOSE_PRECISION": precision})


def _mediapipe(kind: str, tools: Path) -> Subject:
    python, reader = tools / "venv/bin/python", _ROOT / "tests/bench/peers/mediapipe_reader.py"
    if not python.exists():
        raise SystemExit(f"{python} is missing: run `python -m tests.bench.peers.prepare {tools}`")
    return Subject(f"mediapipe-{kind}", (str(python.absolute()), str(reader), str(_MEDIAPIPE.index(kind))), "joints")


def _movenet(kind: str, tools: Path) -> Subject:
    weights = tools.absolute() / f"models/movenet-{kind}.json"
    if not weights.exists():
        raise SystemExit(f"{weights} is missing: run `python -m tests.bench.peers.prepare {tools}`")
    command = (sys.executable, "-m", "tests.bench.peers.movenet_reader", str(weights))
    return Subject(f"movenet-{kind}", command, "joints", {"PYTHONPATH": str(_ROOT)})
