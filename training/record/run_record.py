"""The record of a run, as `run.json` holds it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from training.config import RunConfig, Settings
from training.loop.checkpoint import Progress
from training.record.terms import Terms

FILE = "run.json"


class FileRecord(Settings):
    """A file that a run read: its name without folders, and its digest."""

    name: str
    sha256: str


class SourceRecord(Settings):
    """What was learnt from: one part of a data set.

    Attributes:
        kind: single pictures, or clips; weight: how often it was drawn from, against the other sources.
        pseudo_labels, restyle: as in `training.config.Source`.
        people, frames: how many; None where nobody wrote it down.
        names_sha256: of the names of all its people, one a line, in order: which ones they were.
        left_out: people of that part that were not read, and are not counted.
        terms: of the data set.
    """

    dataset: str
    part: str
    kind: Literal["stills", "clips"]
    weight: float
    pseudo_labels: bool
    restyle: bool
    people: int | None
    frames: int | None
    names_sha256: str | None
    left_out: list[str]
    terms: Terms


class StartRecord(Settings):
    """What the first step started from.

    Attributes:
        kind: as in `training.config.RunConfig`; files: that were read for it; terms: of whoever made them.
        parent: the record of the run that made those weights, where they are a run's.
    """

    kind: Literal["movenet", "imagenet", "random", "file"]
    files: list[FileRecord] = Field(default_factory=list)
    terms: Terms | None = None
    parent: "RunRecord | None" = None


class Amount(Settings):
    """How much was learnt: optimiser steps, single pictures, sequences, and the frames of these."""

    steps: int = 0
    pictures: int = 0
    sequences: int = 0
    frames: int = 0


class CallRecord(Settings):
    """One call of `kinepose-train fit`; a run that was stopped takes several.

    Attributes:
        began: UTC, ISO 8601; command: without folders of the machine.
        config: text of the YAML file; files: what it read besides (split, pseudo-labels).
        machine, precision, processes: what computed, and how.
        first_step, last_step: steps of the run when it began, and at its last checkpoint.
        seconds: wall time up to that checkpoint; None where nobody wrote it down.
    """

    began: str
    command: str
    config: str
    sources: list[SourceRecord]
    files: list[FileRecord]
    machine: str
    precision: str
    processes: int
    first_step: int
    last_step: int
    seconds: float | None


class RunRecord(Settings):
    """All that is known of a run.

    Attributes:
        config_name: of the config, and model: its network; switches: what is otherwise in it.
        fold: of sub-JHMDB, for runs that learn from one.
        planned_steps: the config's; amount: what went into the last checkpoint's weights.
        unrecorded_steps: of those, how many were made before a record was kept.
        calls: oldest first.
        reconstructed: where the record was not written by the run itself, from what it was made.
    """

    config_name: str
    model: str
    switches: dict[str, bool | str] = Field(default_factory=dict)
    fold: int | None
    start: StartRecord
    planned_steps: int
    amount: Amount = Amount()
    unrecorded_steps: int = 0
    calls: list[CallRecord] = Field(default_factory=list)
    reconstructed: str = ""

    def lineage(self) -> Iterator["RunRecord"]:
        """The runs whose weights it started from, oldest first, and itself."""
        if self.start.parent is not None:
            yield from self.start.parent.lineage()
        yield self


def amount_of(config: RunConfig, progress: Progress) -> Amount:
    """What a run of that config has learnt when it is there."""
    total = dict.fromkeys(Amount.model_fields, 0)
    for number, stage in enumerate(config.stages):
        done = stage.steps if number < progress.stage else progress.step if number == progress.stage else 0
        for phase in stage.phases:
            steps, done = min(done, phase.steps), max(0, done - phase.steps)
            total["steps"] += steps
            if stage.kind == "pictures":
                total["pictures"] += steps * phase.batch
            else:
                total["sequences"] += steps * phase.batch
                total["frames"] += steps * phase.batch * stage.sequence.frames
    return Amount(**total)


def read_record(folder: Path) -> RunRecord | None:
    """The record in a run's folder; None where there is none.

    Raises:
        ValueError: the file is there and is no record.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ValueError(f"{path}: not the record of a run: {error}") from error


def write_record(record: RunRecord, folder: Path) -> None:
    """Write it; a kill in the middle leaves the one before."""
    unfinished = folder / f"{FILE}.tmp"
    unfinished.write_text(record.model_dump_json(indent=1) + "\n", encoding="utf-8")
    unfinished.replace(folder / FILE)
