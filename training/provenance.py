"""What a model card says of where weights come from: all of it out of the records of the runs that made them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields, replace
from typing import TypeVar

from model.cards import ModelCard, Provenance
from training import box_mode
from training.box_mode import BoxMode
from training.evaluation.run import Scores
from training.record.run_record import CallRecord, FileRecord, RunRecord, SourceRecord
from training.record.terms import MOVENET, Terms

_T = TypeVar("_T")

_DIGITS = 12
"""Of a digest, in a card."""

_TEACHER = "MoveNet Thunder (Google), teacher of labels and of joints' places"

_FOLD = (
    "Weights of fold {fold} of sub-JHMDB (reconstructed), for the paper's table alone: the official folds share source "
    "videos between train and test. They are not to be served."
)
_RESEARCH = "For research use: data sets that it learnt from are published for research."
_DERIVED = (
    "Derived from MoveNet SinglePose (Google), Apache License 2.0, and changed by training: see the file NOTICE beside "
    "the weights."
)


def provenance_of(
    records: Sequence[RunRecord], version: str, export_command: str, notes: Sequence[str] = ()
) -> Provenance:
    """Provenance of the weights of a run, or of the mean of several runs' weights, not yet measured.

    Args:
        export_command: the last of the commands that made them.
        notes: sentences of whoever exports them, after those that the records give.
    """
    runs = list(dict.fromkeys(run.model_dump_json() for record in records for run in record.lineage()))
    lineage = [RunRecord.model_validate_json(run) for run in runs]
    return Provenance(
        version=version,
        licence=_licence(lineage),
        data=_data(records, lineage),
        data_licences={terms.title: terms.licence for terms in _terms(lineage)} | _teacher(lineage),
        split=_split(lineage),
        command="\n".join(_commands(lineage, export_command)),
        notes=" ".join([*_facts(lineage), *notes]),
    )


def with_figures(card: ModelCard, scores: dict[BoxMode, Scores], measured_on: str) -> Provenance:
    """The card's provenance with more figures of the default protocol; `measured_on` as in "JHMDB test"."""
    figures: dict[str, float] = {}
    joints: dict[str, dict[str, float]] = {}
    for mode, measured in scores.items():
        for normaliser, result in (("person", measured.person), ("torso", measured.torso)):
            name = f"{measured_on}, {box_mode.NAMES[mode]}, {normaliser}@0.2"
            figures[name] = round(result.mean, 1)
            joints[name] = {joint: round(value, 1) for joint, value in result.per_joint.items()}
    known = {field.name for field in fields(Provenance)}
    base = Provenance(**{key: value for key, value in asdict(card).items() if key in known})
    return replace(base, pck=base.pck | figures, pck_per_joint=base.pck_per_joint | joints)


def is_derived_from_movenet(record: RunRecord) -> bool:
    """Whether MoveNet's weights are in it: such weights travel with a notice."""
    return any(run.start.kind == "movenet" for run in record.lineage())


def _licence(lineage: Sequence[RunRecord]) -> str:
    restricted = any(terms.research_only for terms in _terms(lineage))
    words = ["research use only (training data)"] if restricted else ["Apache-2.0"]
    starts = dict.fromkeys(run.start.terms.title for run in lineage if run.start.terms)
    licences = {run.start.terms.title: run.start.terms.licence for run in lineage if run.start.terms}
    return "; ".join([*words, *(f"derived from {title}: {licences[title]}" for title in starts)])


def _data(records: Sequence[RunRecord], lineage: Sequence[RunRecord]) -> str:
    sources = "; ".join(_source_text(source) for source in _sources(lineage)) or "Nothing that is on record"
    starts = dict.fromkeys(_start_text(run) for run in lineage if run.start.parent is None)
    mean = f" The mean of the weights of {len(records)} runs." if len(records) > 1 else ""
    return f"{sources}. Started from {' and '.join(starts)}.{mean}"


def _source_text(source: SourceRecord) -> str:
    name = f"{source.terms.title}, {source.part}"
    changes = []
    if source.pseudo_labels:
        changes.append("labels blended with a teacher's, joints moved to JHMDB's places")
    elif source.restyle:
        changes.append("joints moved from COCO's to JHMDB's places")
    changed = f" ({'; '.join(changes)})" if changes else ""
    if source.people is None or source.frames is None:
        return f"{name}{changed}"
    if source.kind == "stills":
        return f"{source.people:,} people of {name}{changed}"
    return f"{source.people:,} clips with {source.frames:,} frames of {name}{changed}"


def _start_text(run: RunRecord) -> str:
    if run.start.terms is None:
        return "random weights" if run.start.kind == "random" else "weights of a run without a record"
    return f"{run.start.terms.title}{_digests(run.start.files)}"


def _split(lineage: Sequence[RunRecord]) -> str:
    parts = dict.fromkeys(_part_text(source) for source in _sources(lineage))
    if not parts:
        return ""
    files = dict.fromkeys(file for call in _calls(lineage) for file in (f"{f.name} {_short(f)}" for f in call.files))
    return "; ".join([f"trained on {', '.join(parts)}", *files])


def _part_text(source: SourceRecord) -> str:
    names = f" (its names: {source.names_sha256[:_DIGITS]})" if source.names_sha256 else ""
    left_out = f" without {len(source.left_out)} of another part's people or films" if source.left_out else ""
    return f"{source.dataset} {source.part}{left_out}{names}"


def _commands(lineage: Sequence[RunRecord], export_command: str) -> list[str]:
    return list(dict.fromkeys([*(call.command for call in _calls(lineage) if call.command), export_command]))


def _facts(lineage: Sequence[RunRecord]) -> list[str]:
    """Sentences about the weights as a whole, then about each run."""
    sentences = [_FOLD.format(fold=fold) for fold in dict.fromkeys(run.fold for run in lineage) if fold is not None]
    sentences += [_RESEARCH] if any(terms.research_only for terms in _terms(lineage)) else []
    sentences += [_DERIVED] if any(map(is_derived_from_movenet, lineage)) else []
    return [*sentences, *(sentence for run in lineage for sentence in _run_facts(run))]


def _run_facts(run: RunRecord) -> list[str]:
    amount, name = run.amount, run.config_name
    learnt = [f"{amount.pictures:,} pictures"] if amount.pictures else []
    learnt += [f"{amount.sequences:,} sequences ({amount.frames:,} frames)"] if amount.sequences else []
    planned = "" if amount.steps == run.planned_steps else f" of the {run.planned_steps:,} that the config says"
    sentences = [f"{name}: {amount.steps:,} steps{planned}, {' and '.join(learnt) or 'nothing learnt'}{_effort(run)}."]
    if run.unrecorded_steps:
        sentences.append(f"Its first {run.unrecorded_steps:,} steps were made before a record was kept.")
    if len({call.config for call in run.calls}) > 1:
        sentences.append("Its config was changed between calls: run.json has them all.")
    return [*sentences, run.reconstructed] if run.reconstructed else sentences


def _effort(run: RunRecord) -> str:
    """Time, machine and arithmetic, as far as they were written down."""
    words = []
    if run.calls and all(call.seconds is not None for call in run.calls):
        words.append(f"{sum(call.seconds or 0.0 for call in run.calls) / 3600:.1f} hours")
    machines = dict.fromkeys(f"{call.processes} x {call.machine}" for call in run.calls if call.machine)
    words += [f"on {' and '.join(machines)}"] if machines else []
    precisions = dict.fromkeys(call.precision for call in run.calls if call.precision)
    words += [f"in {' and '.join(precisions)}"] if precisions else []
    return f", {' '.join(words)}" if words else ""


def _terms(lineage: Sequence[RunRecord]) -> list[Terms]:
    """Of all data and of all starts, each once."""
    starts = [run.start.terms for run in lineage if run.start.terms]
    return _once([*(source.terms for source in _sources(lineage)), *starts])


def _teacher(lineage: Sequence[RunRecord]) -> dict[str, str]:
    used = any(source.pseudo_labels or source.restyle for source in _sources(lineage))
    return {_TEACHER: MOVENET.licence} if used else {}


def _sources(lineage: Sequence[RunRecord]) -> list[SourceRecord]:
    return _once(source for call in _calls(lineage) for source in call.sources)


def _calls(lineage: Sequence[RunRecord]) -> list[CallRecord]:
    """Those that got as far as a checkpoint."""
    return [call for run in lineage for call in run.calls if call.last_step > call.first_step]


def _once(values: Iterable[_T]) -> list[_T]:
    """In order, each the first time."""
    found: list[_T] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def _digests(files: Sequence[FileRecord]) -> str:
    return f" ({', '.join(f'{file.name} {_short(file)}' for file in files)})" if files else ""


def _short(file: FileRecord) -> str:
    return f"sha256 {file.sha256[:_DIGITS]}"
