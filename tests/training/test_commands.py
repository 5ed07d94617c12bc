"""The commands of `kinepose-train`: options, and what export, evaluate, folds and report leave behind."""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from model import weights_file, zoo
from tests.training import made_up, small_run
from training import __main__ as program
from training.commands import evaluate, export, folds, report
from training.commands.fit import read_sources
from training.config import Source
from training.datasets.person import SKELETON
from training.evaluation.metrics import ClipResult
from training.evaluation.run import Scores, score
from training.report import published
from training.report.words import NOTHING
from training.starts.start import Weights, start


def _result(shift: float) -> ClipResult:
    clip = made_up.moving(4)
    return ClipResult(
        clip.name, "walk", clip.joints + shift, clip.joints, clip.labelled, clip.boxes, clip.joints[..., 0] * 0 + 1
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder whose JHMDB has the test clips of fold 1 only, and few frames."""
    name = "walk/one"
    made_up.jhmdb_tree(tmp_path / "JHMDB", [name], frames=3)
    splits = tmp_path / "JHMDB" / "sub_splits"
    splits.mkdir()
    for fold in (1, 2, 3):
        (splits / f"walk_test_split_{fold}.txt").write_text("one.avi 2\n")
    return tmp_path


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Exported weights of a run of two steps."""
    run = tmp_path / "run"
    run.mkdir()
    small_run.train(run, small_run.config(steps=2, clips=0))
    config = small_run.write_config(tmp_path / "small.yaml", small_run.config(steps=2, clips=0))
    where = ["--run", str(run / "last.pt"), "--to", str(tmp_path / "weights")]
    _call(export, *where, "--config", str(config), "--version", "9.9.9")
    return tmp_path / "weights"


def _call(command: object, *words: str) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)  # type: ignore[attr-defined]
    command.run(parser.parse_args(words))  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", program._COMMANDS)
def test_every_command_explains_itself(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--help ends well and names the options."""
    monkeypatch.setattr(sys, "argv", ["kinepose-train", command, "--help"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    assert ended.value.code == 0
    assert "--" in capsys.readouterr().out


def test_exported_weights_are_those_of_the_run(weights: Path, tmp_path: Path) -> None:
    """The zoo loads them, and the card says the version."""
    network, card = weights_file.load("kimnet-lite", weights)
    assert card.version == "9.9.9"
    assert not network.training


def test_evaluate_writes_its_figures_into_the_card(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All three ways, both normalisers; the weights stay the same."""
    before = zoo.card("kimnet-lite", weights)
    where = ["--data", str(data), "--dataset", "sub-jhmdb", "--part", "test1", "--weights", str(weights)]
    _call(evaluate, *where, "--write-card")
    assert "box each frame" in capsys.readouterr().out
    after = zoo.card("kimnet-lite", weights)
    assert after.sha256 == before.sha256
    assert len(after.pck) == 6


def test_a_card_takes_figures_of_the_default_protocol_only(tmp_path: Path) -> None:
    """Another tolerance under the name of PCK@0.2 would be a lie; refused before anything is read."""
    with pytest.raises(SystemExit, match="default protocol"):
        _call(evaluate, "--data", str(tmp_path), "--alpha", "0.5", "--write-card")


def test_report_writes_its_three_files(data: Path, weights: Path, tmp_path: Path) -> None:
    """The head says which command gives the same numbers, without folders of this machine."""
    where = ["--data", str(data), "--dataset", "sub-jhmdb", "--part", "test1", "--weights", str(weights)]
    _call(report, *where, "--out", str(tmp_path / "out"), "--occlusion-stride", "0")
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["head"]["command"].startswith("kinepose-train report --data DATA --out OUT")
    assert "--occlusion-stride 0" in written["head"]["command"]
    assert str(tmp_path) not in (tmp_path / "out" / "report.html").read_text()


def test_folds_are_averaged_and_stand_beside_the_paper() -> None:
    """Fold means of 100, 0 and 0 percent are a third; the caption says that the list is not the official one."""
    hit, miss = score([_result(0.0)]), score([_result(500.0)])
    found: dict[str, list[Scores]] = {"recurrent": [hit, miss, miss]}
    text = folds.markdown("kimnet-lite", found)  # type: ignore[arg-type]
    [mean] = [line for line in text.splitlines() if "recurrent, mean" in line][:1]
    assert set(mean.split("|")[2:-1]) == {" 33.3 "}
    assert "reconstructed" in text
    assert "| KIMNet (published) | 98.5 |" in text


def _without(result: ClipResult, part: str) -> ClipResult:
    labelled = result.labelled.copy()
    labelled[:, [k for k, name in enumerate(SKELETON.joints) if name.endswith(part)]] = False
    return replace(result, labelled=labelled)


def test_a_group_without_labels_is_not_counted_as_missed() -> None:
    """A fold that has no labelled ankle says nothing of ankles; where none has, nothing is said."""
    whole, blind = score([_result(0.0)]), score([_without(_result(0.0), "ankle")])
    for scores, ankles in (([whole, blind, blind], "100.0"), ([blind] * 3, NOTHING)):
        text = folds.markdown("kimnet-lite", {"recurrent": scores})
        mean = next(line for line in text.splitlines() if "recurrent, mean" in line)
        column = 2 + list(published.GROUPS).index("Ank")
        assert mean.split("|")[1 + column].strip() == ankles


def test_folds_need_three_sets_of_weights(tmp_path: Path) -> None:
    """Two are an error before anything is read."""
    with pytest.raises(SystemExit, match="3 times, got 2"):
        _call(folds, "--data", str(tmp_path), "--weights", "a", "--weights", "b")


def test_a_run_that_starts_from_a_file_says_so_when_it_is_missing() -> None:
    """The option is named."""
    config = small_run.config().model_copy(update={"start": "file"})
    with pytest.raises(ValueError, match="--start"):
        start(config, Weights())


def test_a_run_starts_from_the_averaged_weights_of_another(tmp_path: Path) -> None:
    """`start: file` reads what the other run's checkpoint averaged."""
    small_run.train(tmp_path, small_run.config(steps=2, clips=0))
    config = small_run.config().model_copy(update={"start": "file"})
    network = start(config, Weights(network=tmp_path / "last.pt"))
    averaged = small_run.averaged(tmp_path)
    assert all((value == averaged[key]).all() for key, value in network.state_dict().items())


def test_sources_are_read_through_the_catalog(data: Path) -> None:
    """A fold's test part is one clip of three frames here."""
    [pool] = read_sources(data, [Source(dataset="sub-jhmdb", part="test2", weight=3.0)])
    assert [len(clip) for clip in pool.clips] == [3]
    assert pool.weight == 3.0


def test_a_source_with_pseudo_labels_needs_their_file(data: Path) -> None:
    """The error says how to make the file."""
    with pytest.raises(ValueError, match="kinepose-train pseudo-label"):
        read_sources(data, [Source(dataset="sub-jhmdb", part="test2", pseudo_labels=True)])
