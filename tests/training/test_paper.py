"""The paper's tables: trained, measured, killed and gone on with, and read with intervals."""

import argparse
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from model.skeletons import JHMDB_15
from tests.training import small_paper
from training.commands import paper as command
from training.evaluation.metrics import ClipResult, pck_of
from training.paper import bootstrap, occluded, results
from training.paper.bootstrap import Interval
from training.paper.compose import CPU_TABLES, cpu_page
from training.paper.illustrate import illustrate
from training.paper.measured import Measured, measure
from training.paper.page import write
from training.paper.published import TABLES, printed_mean
from training.paper.rows import ROWS, row
from training.paper.runner import Paper, only_one
from training.paper.settings import CPU, network_of
from training.paper.tables import CONTRARY, HOLDS, UNDECIDED, claims, verdict

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up data sets and weights."""
    return small_paper.make_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def unbroken(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Paper:
    """Three rows of fold 1, run without a break."""
    paper = small_paper.paper(data, tmp_path_factory.mktemp("unbroken"), [])
    paper.run(small_paper.ROWS_RUN, [1], [0])
    return paper


def _measured(paper: Paper) -> Measured:
    keys = [one.key for one in small_paper.ROWS_RUN]
    found = measure(keys, lambda key, fold, seed: paper.folder(row(key), fold, seed), (1, 2, 3), [0])
    assert found is not None
    return found


def _page(paper: Paper, folder: Path) -> str:
    write(cpu_page(_measured(paper), small_paper.SCALE, "kinepose-train paper"), folder)
    return (folder / "index.md").read_text()


@pytest.mark.slow
def test_a_killed_run_ends_in_the_same_tables(data: Path, unbroken: Paper, tmp_path: Path) -> None:
    """Kill -9 in the middle of a row's training and a second call: joints are the same to the last bit."""
    command = [sys.executable, "-m", "tests.training.small_paper", str(data), str(tmp_path)]
    killed = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _wait_for(tmp_path / "rows" / "rpstn" / "fold1-seed0" / "last.pt", killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait(timeout=60)
    again = small_paper.paper(data, tmp_path, [])
    assert not again.is_there(row("rpstn"), 1)
    again.run(small_paper.ROWS_RUN, [1], [0])
    for one in small_paper.ROWS_RUN:
        _, mine = results.read(again.folder(one, 1, 0))
        _, wanted = results.read(unbroken.folder(one, 1, 0))
        for a, b in zip(mine, wanted, strict=True):
            np.testing.assert_array_equal(a.joints, b.joints)
    tables = [
        _page(paper, tmp_path / name).partition("## What was run")[0] for paper, name in ((again, "a"), (unbroken, "b"))
    ]
    assert tables[0] == tables[1]


def _wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists():
            return
        time.sleep(0.02)
    raise AssertionError(f"{path} did not come: exit status {process.poll()}")


def test_a_second_call_has_nothing_to_do(data: Path, unbroken: Paper) -> None:
    """What is there is not trained again."""
    said: list[str] = []
    small_paper.paper(data, unbroken.state, said).run(small_paper.ROWS_RUN, [1], [0])
    assert said == []


def test_all_rows_learn_from_the_same_clips(unbroken: Paper) -> None:
    """One pyramid and one set of kept clips a fold, whatever the row."""
    assert sorted(path.name for path in (unbroken.state / "fold1").iterdir()) == ["pictures", "pyramid", "sequences"]
    steps = [json.loads((unbroken.folder(one, 1, 0) / "result.json").read_text()) for one in small_paper.ROWS_RUN]
    assert {(made["steps"], made["batch"], made["skeleton"]) for made in steps} == {(6, 2, "jhmdb15")}


def test_a_second_process_is_kept_out(tmp_path: Path) -> None:
    """Two would write into one file of features."""
    with only_one(tmp_path), pytest.raises(BlockingIOError), only_one(tmp_path):
        pass


def test_the_page_has_every_table_and_says_what_was_not_run(unbroken: Paper, tmp_path: Path) -> None:
    """Printed rows stand beside ours; rows that nobody ran are left open; the same page gives the same bytes."""
    text = _page(unbroken, tmp_path / "once")
    for number in CPU_TABLES:
        assert f"## Table {number}" in text
    assert "| LSTM-PM (against KIMNet) | 73.6 | – |" in text
    assert "Penn Action's frames are not at hand" in text
    assert _page(unbroken, tmp_path / "twice") == text
    assert (tmp_path / "once" / "index.html").read_text().count("<table") == text.count("\n|---")


def test_the_command_writes_what_has_been_run(
    data: Path, unbroken: Paper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--no-train trains nothing; --only leaves the other tables and all figures out; people are drawn where asked."""
    monkeypatch.setattr(command, "CPU", small_paper.SCALE)
    monkeypatch.setattr(command, "keep_memory", lambda: None)  # it would last for all other tests
    where = ["--data", str(data), "--state", str(unbroken.state), "--movenet", str(data / "movenet.json")]
    _call("--scale", "cpu", *where, "--no-train", "--only", "II", "fig10", "--out", str(tmp_path / "page"))
    text = (tmp_path / "page" / "index.md").read_text()
    assert "## Table II" in text
    assert "## Table V" not in text
    assert "figure-10.webp" in text
    assert "--only II fig10" in text
    assert str(tmp_path) not in text
    _call("--scale", "cpu", *where, "--no-train", "--only", "fig7", "--pictures", str(tmp_path / "people"))
    assert len(list((tmp_path / "people").glob("*/figure-7.webp"))) == 2
    with pytest.raises(SystemExit, match="nothing has been run"):
        _call(
            "--scale",
            "cpu",
            *where[:2],
            "--state",
            str(tmp_path / "empty"),
            "--movenet",
            "x",
            "--no-train",
            "--out",
            "x",
        )
    with pytest.raises(SystemExit, match="--checkpoints"):
        _call("--scale", "gpu", *where)


def _call(*words: str) -> None:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    command.run(parser.parse_args(words))


def test_figures_are_drawn_of_the_rendered_clip(unbroken: Paper, tmp_path: Path) -> None:
    """W_r of frames 2 to 5, priors, and rows side by side."""
    drawn = illustrate(unbroken, tmp_path, {4, 6, 7})
    assert [figure.name for figure in drawn] == ["figure-4", "figure-6", "figure-7"]
    assert len(drawn[0].charts) == 4
    assert {path.name for path in tmp_path.iterdir()} >= {"figure-4.webp", "figure-6.webp", "figure-7.webp"}


def test_hidden_joints_are_measured_once(unbroken: Paper) -> None:
    """Every trained row has a curve of ten points for each kind; a second call reads it."""
    unbroken.hide([row("kimnet")])
    written = (unbroken.folder(row("kimnet"), 1, 0) / occluded.FILE).stat().st_mtime_ns
    unbroken.hide([row("kimnet")])
    assert (unbroken.folder(row("kimnet"), 1, 0) / occluded.FILE).stat().st_mtime_ns == written


def test_every_row_of_the_tables_is_a_row_that_can_be_run() -> None:
    """Keys are those of `ROWS`, but for Table III's encoders; each switch goes with the paper's network."""
    keys = {one.key for one in ROWS}
    for number in CPU_TABLES:
        for entry in TABLES[number].entries:
            assert entry.row is None or entry.row in keys
            assert entry.against is None or entry.against in keys
    assert all(network_of(CPU, one).joints == 15 for one in ROWS)


def test_printed_rows_are_the_papers() -> None:
    """A few of them, by hand."""
    assert printed_mean(TABLES["II"], "kimnet", "torso") == 88.1
    assert printed_mean(TABLES["IV"], "rpstn-kmm", "torso") == 95.9
    assert printed_mean(TABLES["V"], "kimnet-residual", "torso") == 90.3
    assert printed_mean(TABLES["VI"], "kimnet-jrpsp", "torso") == 96.0


def _result(name: str, wrong: int, frames: int = 10) -> ClipResult:
    """A clip whose first `wrong` frames miss every joint."""
    truth = np.zeros((frames, 15, 2), np.float32)
    truth[:, JHMDB_15.index("left_shoulder")] = (0, 50)
    joints = truth.copy()
    joints[:wrong] += 100
    boxes = np.tile(np.array([0, 0, 100, 100], np.float32), (frames, 1))
    return ClipResult(
        name, "", joints, truth, np.ones((frames, 15), bool), boxes, np.ones((frames, 15), np.float32), JHMDB_15
    )


def test_the_figure_itself_is_the_clean_pck() -> None:
    """Before any clip is drawn, found joints pool as the metric pools them."""
    clips = [_result("a", 2), _result("b", 5, frames=20)]
    for normaliser in ("person", "torso"):
        hits = bootstrap.hits_of(clips, normaliser)
        samples = bootstrap.pooled([hits], bootstrap.weights([hits]))
        assert samples[0] == pytest.approx(pck_of(clips, normaliser).mean)


def test_folds_are_averaged_and_their_clips_drawn_together() -> None:
    """A clip that is in both folds is in a draw of both as often."""
    folds = [bootstrap.hits_of([_result("a", 0), _result("b", 10)], "person") for _ in range(2)]
    drawn = bootstrap.weights(folds)
    both, one = bootstrap.pooled(folds, drawn), bootstrap.pooled(folds[:1], drawn)
    np.testing.assert_array_equal(both, one)
    found = bootstrap.interval(both)
    assert (found.value, found.low, found.high) == (50.0, 0.0, 100.0)


def test_equal_rows_differ_by_nothing() -> None:
    """Rows are compared on the same draws, so that what is common drops out."""
    hits = bootstrap.hits_of([_result("a", 3), _result("b", 1), _result("c", 9)], "torso")
    drawn = bootstrap.weights([hits])
    found = bootstrap.interval(bootstrap.pooled([hits], drawn) - bootstrap.pooled([hits], drawn))
    assert (found.low, found.high) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("printed", "low", "high", "expected"),
    [(-1.0, -2.0, -0.1, HOLDS), (-1.0, 0.1, 2.0, CONTRARY), (-1.0, -1.0, 1.0, UNDECIDED), (2.0, 0.5, 3.0, HOLDS)],
)
def test_a_claim_holds_by_its_whole_interval(printed: float, low: float, high: float, expected: str) -> None:
    """An interval that has 0 in it tells nothing."""
    assert verdict(printed, Interval((low + high) / 2, low, high)) == expected


def test_claims_are_differences_of_printed_rows(unbroken: Paper) -> None:
    """RPSTN has 2.3 points less than KIMNet in Table II by torso."""
    [(words, printed, _, _)] = claims(TABLES["II"], _measured(unbroken))
    assert (words, round(printed, 1)) == ("RPSTN against KIMNet", -2.3)
