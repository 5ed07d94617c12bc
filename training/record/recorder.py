"""Keeps a run's record up to date while it runs."""

import datetime
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from training.config import RunConfig, Source
from training.datasets import catalog
from training.datasets.jhmdb_splits import SPLIT
from training.loop import checkpoint
from training.loop.checkpoint import Progress
from training.record.run_record import (
    Amount,
    CallRecord,
    FileRecord,
    RunRecord,
    SourceRecord,
    StartRecord,
    amount_of,
    read_record,
    write_record,
)
from training.record.terms import DATASETS
from training.samples.pool import Pool, Pools


@dataclass(frozen=True, slots=True)
class Call:
    """How one call of `fit` was made, and on which machine.

    Attributes:
        config_name, config_text: the YAML file's name and text; command: see `CallRecord`.
        fold: of sub-JHMDB; machine, precision, processes: see `CallRecord`.
        teacher: the pseudo-labels' file.
    """

    config_name: str
    config_text: str
    command: str
    fold: int
    machine: str
    precision: str
    processes: int
    teacher: Path | None = None


class Recorder:
    """Writes `run.json` at the start of a call of `fit` and at each checkpoint."""

    def __init__(
        self, folder: Path, config: RunConfig, record: RunRecord, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`record` ends with the call that is beginning now."""
        self._folder, self._config, self._record = folder, config, record
        self._clock, self._began = clock, clock()
        write_record(record, folder)

    def checkpoint(self, progress: Progress) -> None:
        """To be called when a checkpoint has been written."""
        amount = amount_of(self._config, progress)
        seconds = round(self._clock() - self._began, 1)
        last = self._record.calls[-1].model_copy(update={"last_step": amount.steps, "seconds": seconds})
        calls = [*self._record.calls[:-1], last]
        self._record = self._record.model_copy(update={"amount": amount, "calls": calls})
        write_record(self._record, self._folder)


def begin(folder: Path, config: RunConfig, call: Call, start: StartRecord, pools: Pools) -> RunRecord:
    """The folder's record with one more call, or a new one; the start is that of the run's first call.

    Raises:
        ValueError: the folder holds a record of another model, or of other switches.
    """
    known, amount = read_record(folder), _amount_so_far(folder, config)
    if known is None:
        known = RunRecord(
            config_name=call.config_name,
            model=config.model,
            switches=config.switches.turned(),
            fold=call.fold if any(source.dataset.startswith("sub-jhmdb") for source in _sources(config)) else None,
            start=start,
            planned_steps=0,
            unrecorded_steps=amount.steps,
        )
    if known.model != config.model:
        raise ValueError(f"{folder}: holds a run of {known.model}, not of {config.model}")
    if known.switches != config.switches.turned():
        raise ValueError(f"{folder}: holds a run with switches {known.switches}, not {config.switches.turned()}")
    planned = sum(stage.steps for stage in config.stages)
    begun = _call_record(config, call, pools, amount.steps)
    return known.model_copy(update={"planned_steps": planned, "amount": amount, "calls": [*known.calls, begun]})


def _amount_so_far(folder: Path, config: RunConfig) -> Amount:
    last = folder / "last.pt"
    return amount_of(config, Progress(**checkpoint.read(last)["progress"])) if last.exists() else Amount()


def _call_record(config: RunConfig, call: Call, pools: Pools, step: int) -> CallRecord:
    files = [call.teacher] if call.teacher and any(s.pseudo_labels or s.restyle for s in _sources(config)) else []
    digests = [file_record(path) for path in files]
    if any(source.dataset == "jhmdb" for source in _sources(config)):
        digests.append(file_record(SPLIT))
    return CallRecord(
        began=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=call.command,
        config=call.config_text,
        sources=[*_read(config.stills, "stills", pools.stills), *_read(config.clips, "clips", pools.clips)],
        files=digests,
        machine=call.machine,
        precision=call.precision,
        processes=call.processes,
        first_step=step,
        last_step=step,
        seconds=0.0,
    )


def _sources(config: RunConfig) -> list[Source]:
    return [*config.stills, *config.clips]


def _read(sources: Sequence[Source], kind: str, pools: Sequence[Pool]) -> list[SourceRecord]:
    return [source_record(source, kind, pool) for source, pool in zip(sources, pools, strict=True)]


def source_record(source: Source, kind: str, pool: Pool | None) -> SourceRecord:
    """What a source gave; without a pool what it is, and no counts."""
    names = "\n".join(clip.name for clip in pool.clips) if pool else ""
    return SourceRecord.model_validate(
        {
            **source.model_dump(),
            "kind": kind,
            "people": len(pool.clips) if pool else None,
            "frames": sum(map(len, pool.clips)) if pool else None,
            "names_sha256": hashlib.sha256(names.encode()).hexdigest() if pool else None,
            "left_out": catalog.left_out(source.dataset, source.part) if pool else [],
            "terms": DATASETS[source.dataset],
        }
    )


def file_record(path: Path) -> FileRecord:
    """Name and digest of a file."""
    with path.open("rb") as file:
        return FileRecord(name=path.name, sha256=hashlib.file_digest(file, "sha256").hexdigest())
