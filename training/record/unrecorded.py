"""A record for a run that kept none: what its checkpoint, its config and its printed lines say, and no more."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from training.config import RunConfig, Source
from training.loop.checkpoint import Progress
from training.record.recorder import source_record
from training.record.run_record import CallRecord, RunRecord, SourceRecord, StartRecord, amount_of
from training.record.terms import EFFICIENTNET, MOVENET

_COUNTED = re.compile(r"^(\S+) (\S+): (\d+) people, (\d+) frames$", re.MULTILINE)
_DEVICE = re.compile(r"^(cpu|cuda)\S*, (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Printed:
    """What `fit` printed: people and frames of each (dataset, part), and the arithmetic; empty where it is unknown."""

    counts: Mapping[tuple[str, str], tuple[int, int]]
    precision: str

    @classmethod
    def read(cls, text: str) -> "Printed":
        """Out of the lines of one call or several; the last of them counts."""
        counts = {(name, part): (int(people), int(frames)) for name, part, people, frames in _COUNTED.findall(text)}
        devices = _DEVICE.findall(text)
        return cls(counts, devices[-1][1] if devices else "")


def reconstructed(
    config_name: str, config_text: str, config: RunConfig, progress: Progress, printed: Printed
) -> RunRecord:
    """The record, with the sentence that says what it is made of.

    Raises:
        ValueError: the config has folds, and nobody knows which of them the run had.
    """
    if any(source.dataset.startswith("sub-jhmdb") for source in [*config.stills, *config.clips]):
        raise ValueError(f"{config_name}: which fold a run had can be read in its run.json only")
    amount = amount_of(config, progress)
    call = CallRecord(
        began="",
        command=f"kinepose-train fit {config_name} --data DATA --out RUN",
        config=config_text,
        sources=[_counted(s, kind, printed) for kind in ("stills", "clips") for s in getattr(config, kind)],
        files=[],
        machine="",
        precision=printed.precision,
        processes=1,
        first_step=0,
        last_step=amount.steps,
        seconds=None,
    )
    return RunRecord(
        config_name=config_name,
        model=config.model,
        fold=None,
        start=StartRecord(kind=config.start, terms={"movenet": MOVENET, "imagenet": EFFICIENTNET}.get(config.start)),
        planned_steps=sum(stage.steps for stage in config.stages),
        amount=amount,
        calls=[call],
        reconstructed=_explanation(config_name, printed),
    )


def _counted(source: Source, kind: str, printed: Printed) -> SourceRecord:
    people, frames = printed.counts.get((source.dataset, source.part), (None, None))
    return source_record(source, kind, None).model_copy(update={"people": people, "frames": frames})


def _explanation(config_name: str, printed: Printed) -> str:
    counts = "counts from what it printed" if printed.counts else "counts unknown"
    return (
        f"The run kept no record: this is made of its checkpoint and of the config {config_name} as it stands now "
        f"({counts}; digests, machine and time unknown)."
    )
