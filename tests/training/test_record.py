"""What a run did: `fit` writes it down, `export` makes the card of it, and nothing else is claimed."""

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from model import weights_file, zoo
from model.cards import ModelCard
from model.config import KIMNET_LITE
from model.kimnet import KIMNet
from tests.training import made_up, made_up_movenet, small_run
from training.commands import export, fit
from training.config import RunConfig, bundled, read_config
from training.datasets import catalog
from training.loop.checkpoint import Progress
from training.provenance import provenance_of
from training.record import terms
from training.record.recorder import Call, Recorder, begin
from training.record.run_record import Amount, RunRecord, amount_of, read_record
from training.record.start_record import start_record
from training.record.unrecorded import Printed, reconstructed
from training.starts.start import Weights

CALL = Call(
    config_name="small",
    config_text="model: kimnet-lite",
    command="kinepose-train fit small --data DATA --out RUN",
    fold=1,
    machine="a slide rule, 1 core",
    precision="32-true",
    processes=1,
)


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def recorded(folder: Path, config: RunConfig, weights: Weights | None = None) -> RunRecord:
    """The record of a whole run of that config on made-up people, an hour long; its checkpoint is fresh weights."""
    folder.mkdir(parents=True, exist_ok=True)
    clock, pools = Clock(), small_run.pools()
    record = begin(folder, config, CALL, start_record(config, weights or Weights()), pools)
    recorder = Recorder(folder, config, record, clock)
    clock.now += 3600.0
    end = Progress(len(config.stages) - 1, config.stages[-1].steps)
    checkpoint(folder, end)
    recorder.checkpoint(end)
    found = read_record(folder)
    assert found is not None
    return found


def checkpoint(folder: Path, progress: Progress) -> None:
    """A run's last.pt at that place, with weights that nobody trained."""
    place = {"stage": progress.stage, "step": progress.step}
    state = small_run.network().state_dict()
    torch.save({"network": {}, "average": state, "progress": place}, folder / "last.pt")


def exported(folder: Path, *words: str | Path, to: Path) -> ModelCard:
    """The card that the command writes."""
    parser = argparse.ArgumentParser()
    export.add_arguments(parser)
    given = ["--run", folder / "last.pt", "--to", to, "--version", "1.2.3", *words]
    export.run(parser.parse_args([str(word) for word in given]))
    return zoo.card("kimnet-lite", to)


def card_text(record: RunRecord, *more: RunRecord) -> str:
    """All that a card says of those runs."""
    provenance = provenance_of([record, *more], "1", "kinepose-train export")
    facts = (provenance.data, provenance.split, provenance.notes, provenance.command, provenance.licence)
    return " ".join([*facts, *provenance.data_licences, *provenance.data_licences.values()])


def test_every_data_set_has_its_terms() -> None:
    """One table, for all names of the catalog."""
    assert terms.DATASETS.keys() == catalog.DATASETS.keys()


def test_amounts_are_steps_times_batches() -> None:
    """Two stages, one of them with two phases: at every place as counted by hand."""
    config = small_run.config(steps=4, clips=2)  # 2 steps of 4 and 2 of 4 pictures, 2 of 2 sequences of 3 frames
    assert amount_of(config, Progress(0, 0)) == Amount()
    assert amount_of(config, Progress(0, 3)) == Amount(steps=3, pictures=12)
    assert amount_of(config, Progress(1, 1)) == Amount(steps=5, pictures=16, sequences=2, frames=6)
    assert amount_of(config, Progress(1, 2)) == Amount(steps=6, pictures=16, sequences=4, frames=12)


def test_a_record_says_what_was_read(tmp_path: Path) -> None:
    """Each source with its people, its frames and a digest of their names; the split's file; the machine; the time."""
    record = recorded(tmp_path, small_run.config())
    [call] = record.calls
    stills, clips = call.sources
    assert (stills.dataset, stills.part, stills.people, stills.frames) == ("lspet", "train", 4, 4)
    assert (clips.dataset, clips.part, clips.people, clips.frames) == ("jhmdb", "train", 1, 6)
    names = "\n".join(f"moving{i}" for i in range(4))
    assert stills.names_sha256 == hashlib.sha256(names.encode()).hexdigest()
    assert stills.left_out == ["im03597.jpg", "im03959.jpg"]
    assert len(clips.left_out) == 7
    assert [file.name for file in call.files] == ["jhmdb_split.json"]
    assert (call.machine, call.seconds, record.amount.steps, record.planned_steps) == (CALL.machine, 3600.0, 6, 6)


def test_a_call_that_goes_on_is_added_to_those_before(tmp_path: Path) -> None:
    """Killed after two steps, resumed with another config: both calls with their steps and their times."""
    config, pools, clock = small_run.config(), small_run.pools(), Clock()
    first = Recorder(tmp_path, config, begin(tmp_path, config, CALL, start_record(config, Weights()), pools), clock)
    clock.now += 60.0
    checkpoint(tmp_path, Progress(0, 2))
    first.checkpoint(Progress(0, 2))
    changed = Call(**{name: getattr(CALL, name) for name in Call.__slots__} | {"config_text": "model: another"})
    record = begin(tmp_path, config, changed, start_record(config, Weights()), pools)
    second = Recorder(tmp_path, config, record, clock)
    clock.now += 40.0
    second.checkpoint(Progress(1, 2))
    found = read_record(tmp_path)
    assert found is not None
    places = [(call.first_step, call.last_step, call.seconds) for call in found.calls]
    assert places == [(0, 2, 60.0), (2, 6, 40.0)]
    assert found.unrecorded_steps == 0
    assert "config was changed between calls" in card_text(found)


def test_steps_without_a_record_are_counted_as_such(tmp_path: Path) -> None:
    """A checkpoint that was there before any record: the card says how much nobody wrote down."""
    config = small_run.config()
    checkpoint(tmp_path, Progress(0, 3))
    record = begin(tmp_path, config, CALL, start_record(config, Weights()), small_run.pools())
    assert record.unrecorded_steps == 3
    assert "first 3 steps were made before a record was kept" in card_text(record)
    assert "Nothing that is on record" in card_text(record)


def test_a_folder_of_another_model_is_refused(tmp_path: Path) -> None:
    """Its record would become that of both."""
    recorded(tmp_path, small_run.config())
    other = small_run.config().model_copy(update={"model": "kimnet"})
    with pytest.raises(ValueError, match="holds a run of kimnet-lite, not of kimnet"):
        begin(tmp_path, other, CALL, start_record(other, Weights()), small_run.pools())


def test_weights_with_switches_are_no_served_model(tmp_path: Path) -> None:
    """The record says which; a call without them does not go on from it, and export refuses the run."""
    turned = small_run.config().with_switches(["share_qk=true"])
    record = recorded(tmp_path / "run", turned)
    assert record.switches == {"share_qk": True}
    with pytest.raises(ValueError, match=r"with switches \{'share_qk': True\}, not \{\}"):
        begin(tmp_path / "run", small_run.config(), CALL, start_record(turned, Weights()), small_run.pools())
    with pytest.raises(SystemExit, match="no such switches where it is served"):
        exported(tmp_path / "run", to=tmp_path / "weights")


def test_a_file_that_is_no_record_is_named(tmp_path: Path) -> None:
    """Somebody's run.json of another program."""
    (tmp_path / "run.json").write_text('{"epochs": 90}')
    with pytest.raises(ValueError, match=r"run\.json: not the record of a run"):
        read_record(tmp_path)


def test_the_start_is_known_by_its_digests(tmp_path: Path) -> None:
    """MoveNet's graph and its weights, with their licence; random weights have neither."""
    path = made_up_movenet.write(tmp_path / "movenet-lightning.json")
    config = small_run.config().model_copy(update={"start": "movenet"})
    record = start_record(config, Weights(movenet=path))
    assert [file.name for file in record.files] == ["movenet-lightning.json", "movenet-lightning.bin"]
    assert record.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record.terms == terms.MOVENET
    assert start_record(small_run.config(), Weights()).terms is None


def test_a_card_says_what_the_record_says_and_no_more(tmp_path: Path) -> None:
    """Counts, parts, digests, steps, machine and time are there; no data set that was not read, no teacher, no film."""
    text = card_text(recorded(tmp_path, small_run.config()))
    for fact in (
        "4 people of Leeds Sports Pose Extended",
        "1 clips with 6 frames of JHMDB",
        "jhmdb_split.json sha256 ",
    ):
        assert fact in text
    for fact in ("6 steps", "16 pictures", "4 sequences (12 frames)", "1.0 hours", CALL.machine, "random weights"):
        assert fact in text
    for fiction in ("COCO", "EfficientNet", "MoveNet", "NOTICE", "No source video", "fold"):
        assert fiction not in text


def test_a_card_of_an_unfinished_run_says_so(tmp_path: Path) -> None:
    """Three steps of six."""
    config = small_run.config()
    record = begin(tmp_path, config, CALL, start_record(config, Weights()), small_run.pools())
    Recorder(tmp_path, config, record).checkpoint(Progress(0, 3))
    found = read_record(tmp_path)
    assert found is not None
    assert "3 steps of the 6 that the config says" in card_text(found)


def test_weights_derived_from_movenet_carry_its_licence(tmp_path: Path) -> None:
    """In the licence line beside the data's terms, in the notes, and as a file beside the weights."""
    path = made_up_movenet.write(tmp_path / "movenet-lightning.json")
    config = small_run.config().model_copy(update={"start": "movenet"})
    recorded(tmp_path / "run", config, Weights(movenet=path))
    card = exported(tmp_path / "run", to=tmp_path / "weights")
    assert card.licence == (
        "research use only (training data); derived from MoveNet SinglePose (Google 2021): Apache-2.0"
    )
    assert card.data_licences["MoveNet SinglePose (Google 2021)"] == "Apache-2.0"
    assert "movenet-lightning.json sha256" in card.data
    assert "Apache License 2.0" in card.notes
    notice = (tmp_path / "weights" / "NOTICE").read_text()
    assert "MoveNet SinglePose by Google" in notice
    assert "What was changed" in notice


def test_weights_of_a_fold_say_that_they_are_not_to_be_served(tmp_path: Path) -> None:
    """The official folds share source videos; so does what was learnt after one."""
    fold = small_run.config().model_dump() | {"clips": [{"dataset": "sub-jhmdb", "part": "train1"}]}
    record = recorded(tmp_path / "fold", RunConfig.model_validate(fold).with_fold(1))
    assert record.fold == 1
    assert "Weights of fold 1 of sub-JHMDB" in card_text(record)
    later = small_run.config().model_copy(update={"start": "file"})
    child = recorded(tmp_path / "later", later, Weights(network=tmp_path / "fold" / "last.pt"))
    assert child.start.parent == record
    assert "Weights of fold 1 of sub-JHMDB" in card_text(child)


def test_a_start_from_a_run_brings_that_runs_data(tmp_path: Path) -> None:
    """Weights remember all that they ever learnt from."""
    stills = small_run.config().model_dump() | {"stills": [{"dataset": "coco", "part": "train"}]}
    recorded(tmp_path / "first", RunConfig.model_validate(stills))
    config = small_run.config().model_copy(update={"start": "file"})
    child = recorded(tmp_path / "second", config, Weights(network=tmp_path / "first" / "last.pt"))
    assert "COCO 2017 keypoints" in card_text(child)
    assert "Leeds Sports Pose Extended" in card_text(child)


def test_a_start_from_a_run_without_a_record_says_so(tmp_path: Path) -> None:
    """Nobody knows what went into it."""
    checkpoint(tmp_path, Progress(0, 3))
    config = small_run.config().model_copy(update={"start": "file"})
    record = recorded(tmp_path / "second", config, Weights(network=tmp_path / "last.pt"))
    assert "weights of a run without a record" in card_text(record)


def test_a_mean_of_two_runs_has_both_in_its_card(tmp_path: Path) -> None:
    """One of them learnt from COCO."""
    other = small_run.config().model_dump() | {"stills": [{"dataset": "coco", "part": "train"}]}
    records = recorded(tmp_path / "a", small_run.config()), recorded(tmp_path / "b", RunConfig.model_validate(other))
    text = card_text(*records)
    assert "mean of the weights of 2 runs" in text
    assert "COCO 2017 keypoints" in text
    assert "Leeds Sports Pose Extended" in text


PRINTED = """Using bfloat16 Automatic Mixed Precision (AMP)
cpu, bf16-mixed
lspet train: 7686 people, 7686 frames
jhmdb train: 481 people, 16283 frames
"""


def test_a_run_without_a_record_is_described_by_its_config(tmp_path: Path) -> None:
    """What the config and the checkpoint say, what was printed, and that no more is known."""
    run, config = tmp_path / "run", small_run.write_config(tmp_path / "small.yaml", small_run.config())
    run.mkdir()
    checkpoint(run, Progress(1, 1))
    (tmp_path / "log").write_text(PRINTED)
    with pytest.raises(SystemExit, match=r"no run\.json: name the run's config with --config"):
        exported(run, to=tmp_path / "weights")
    words: list[str | Path] = ["--config", config, "--printed", tmp_path / "log", "--note", "One picture leaked."]
    card = exported(run, *words, to=tmp_path / "weights")
    assert "7,686 people of Leeds Sports Pose Extended (Johnson & Everingham 2011), train" in card.data
    assert "481 clips with 16,283 frames of JHMDB" in card.data
    assert "5 steps of the 6 that the config says" in card.notes
    assert "The run kept no record" in card.notes
    assert "counts from what it printed" in card.notes
    assert card.notes.endswith("One picture leaked.")
    assert "without" not in card.split  # what was left out, nobody wrote down
    assert card.command.splitlines() == [
        "kinepose-train fit small --data DATA --out RUN",
        "kinepose-train export --run RUN/last.pt --config small --to WEIGHTS --version 1.2.3",
    ]


def test_counts_that_nobody_printed_are_not_claimed() -> None:
    """Names of the data sets without numbers."""
    config = small_run.config()
    record = reconstructed("small", "", config, Progress(1, 2), Printed.read(""))
    text = card_text(record)
    assert "counts unknown" in text
    assert "people of" not in text
    assert "hours" not in text


@pytest.mark.parametrize("name", [name for name in bundled() if "sub-jhmdb" not in name])
def test_every_bundled_config_can_be_card_text(name: str) -> None:
    """Names, starts and licences of all of them."""
    record = reconstructed(name, "", read_config(name), Progress(0, 0), Printed.read(""))
    assert record.model in card_text(record) or record.config_name in card_text(record)


def test_which_fold_it_was_is_not_guessed() -> None:
    """A fold's run must have its record."""
    config = read_config("kimnet-lite-sub-jhmdb")
    with pytest.raises(ValueError, match="which fold a run had"):
        reconstructed("kimnet-lite-sub-jhmdb", "", config, Progress(0, 0), Printed.read(""))


def _fit(folder: Path, data: Path, config: Path) -> None:
    parser = argparse.ArgumentParser()
    fit.add_arguments(parser)
    words = [config, "--data", data, "--out", folder, "--workers", "0", "--accelerator", "cpu"]
    fit.run(parser.parse_args([str(word) for word in words]))


def test_fit_writes_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line to run.json and a card, and once more over the finished run: nothing is learnt twice."""
    monkeypatch.setattr(fit, "keep_memory", lambda: None)  # it would last for all other tests
    made_up.jhmdb_tree(tmp_path / "JHMDB", ["walk/one"])
    (tmp_path / "JHMDB" / "sub_splits").mkdir()
    (tmp_path / "JHMDB" / "sub_splits" / "walk_test_split_1.txt").write_text("one.avi 1\n")
    given: dict[str, Any] = {"stills": [], "clips": [{"dataset": "sub-jhmdb", "part": "train1"}]}
    small = RunConfig.model_validate(small_run.config(steps=2, clips=0).model_dump() | given)
    config = small_run.write_config(tmp_path / "mine.yaml", small)
    for _ in range(2):
        _fit(tmp_path / "run", tmp_path, config)
    written = json.loads((tmp_path / "run" / "run.json").read_text())
    assert written["amount"]["pictures"] == 8
    assert [(call["first_step"], call["last_step"]) for call in written["calls"]] == [(0, 2), (2, 2)]
    command = "kinepose-train fit mine --data DATA --accelerator cpu --out RUN"
    assert written["calls"][0]["command"] == command
    assert str(tmp_path) not in json.dumps({**written, "calls": [{**c, "config": ""} for c in written["calls"]]})
    card = exported(tmp_path / "run", to=tmp_path / "weights")
    assert "1 clips with 6 frames" in card.data
    assert "Weights of fold 1" in card.notes
    assert card.command.splitlines()[0] == command


def test_runs_of_two_models_have_no_mean(tmp_path: Path) -> None:
    """Their weights do not lie in one space."""
    recorded(tmp_path / "a", small_run.config())
    recorded(tmp_path / "b", small_run.config().model_copy(update={"model": "kimnet"}))
    with pytest.raises(SystemExit, match="runs of several models: kimnet-lite, kimnet"):
        exported(tmp_path / "a", "--run", tmp_path / "b" / "last.pt", to=tmp_path / "weights")


def test_exported_weights_are_the_average(tmp_path: Path) -> None:
    """To float16."""
    recorded(tmp_path / "run", small_run.config())
    exported(tmp_path / "run", to=tmp_path / "weights")
    network, _ = weights_file.load("kimnet-lite", tmp_path / "weights")
    assert isinstance(network, KIMNet)
    assert network.config == KIMNET_LITE
    wanted = small_run.network().fusion.fine.weight
    torch.testing.assert_close(network.fusion.fine.weight, wanted.half().float(), rtol=0, atol=0)
