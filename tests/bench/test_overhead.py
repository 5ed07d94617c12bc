"""The overhead benchmark: its arithmetic, and that it runs."""

import json
from pathlib import Path

import pytest

from bench.overhead import overhead_s
from service.__main__ import main
from tests.support.weights import save_random_lite


@pytest.mark.parametrize(
    ("known", "left"),
    [
        ([], 10.0),
        ([(12.0, 15.0)], 7.0),
        ([(5.0, 12.0), (18.0, 30.0)], 6.0),
        ([(11.0, 16.0), (12.0, 13.0), (15.0, 17.0)], 4.0),
        ([(0.0, 30.0)], 0.0),
        ([(0.0, 5.0), (25.0, 30.0)], 10.0),
    ],
)
def test_overhead_is_what_no_known_span_covers(known: list[tuple[float, float]], left: float) -> None:
    """Of a frame from 10 to 20: overlapping spans count once, and only inside the frame."""
    assert overhead_s((10.0, 20.0), known) == pytest.approx(left)


def test_the_benchmark_writes_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Percentiles by number of streams, and the machine that they were taken on."""
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(save_random_lite(tmp_path)))
    monkeypatch.setenv("KINEPOSE_MAX_BATCH", "2")

    code = main(["bench", "overhead", "--frames", "2", "--streams", "1", "2", "--output", str(tmp_path / "bench.json")])

    report = json.loads((tmp_path / "bench.json").read_text())
    assert code == 0
    assert [(run["streams"], run["frames"]) for run in report["runs"]] == [(1, 2), (2, 4)]
    for run in report["runs"]:
        assert 0 < run["overhead_ms"]["p50"] <= run["overhead_ms"]["p99"]
        assert run["overhead_ms"]["p50"] < run["latency_ms"]["p50"]
    assert {"cpu", "cpus", "packages"} <= report["machine"].keys()
