"""The demo: the service as a process of its own, on a small clip, both ways."""

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest

from model.skeletons import KINEPOSE_13
from model.values import Array, Pose
from service.contract.messages import FrameResult, ModelInfo, Outcome
from service.demo.__main__ import main
from service.demo.passes import DifferentAnswers, Pass, largest_difference_px
from service.demo.server import ServerFailed, running_service
from service.demo.truth import accuracy, load_truth
from service.media.video import open_video
from tests.support.clips import make_clip
from tests.support.people import person
from tests.support.weights import save_random_lite


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random kimnet-lite."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def _random_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(weights))


def write_truth(clip: Path, frames: int) -> None:
    """Joints and boxes beside a clip, the joints in another order than the skeleton's."""
    names = KINEPOSE_13.joints[::-1]
    found = [
        {"pts_us": 40_000 * t, "box": [0, 0, 20, 40], "joints": [[t, k] for k in range(13)]} for t in range(frames)
    ]
    clip.with_suffix(".json").write_text(json.dumps({"joint_names": names, "frames": found}))


def results(poses: Array) -> list[FrameResult]:
    """Answers with these joints [T, K, 2]."""
    return [
        FrameResult(
            session_id="s",
            seq=seq,
            pts_us=40_000 * seq,
            outcome=Outcome.OK,
            model=ModelInfo("m", "1", ""),
            skeleton=KINEPOSE_13.name,
            joint_names=KINEPOSE_13.joints,
            people=(person(Pose(xy.astype(np.float32), np.ones(13, np.float32))),),
        )
        for seq, xy in enumerate(poses)
    ]


def test_the_demo_runs_both_ways_and_writes_what_it_saw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Same joints, a table, the overlay and the JSON; exit code 0."""
    clip = make_clip(tmp_path / "clip.mp4", count=3)
    write_truth(clip, 3)

    code = main(["--clip", str(clip), "--output-dir", str(tmp_path / "out")])

    printed = capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "demo.json").read_text())
    assert code == 0
    assert "the same joints, exactly" in printed
    assert "ms a frame" in printed
    assert found["clip"]["frames_emitted"] == len(found["frames"]) == 3
    assert found["largest_difference_px"] == 0
    assert 0 <= found["pck@0.2"]["torso"] <= 100
    with open_video(tmp_path / "out" / "demo.mp4") as video:
        assert len(list(video)) == 3


def test_at_a_terminal_the_demo_ends_with_the_page_until_ctrl_c(tmp_path: Path) -> None:
    """Its address is on the last line, and there it is; Ctrl-C is no failure then."""
    clip = make_clip(tmp_path / "clip.mp4", count=2)
    command = [sys.executable, "-m", "service.demo", "--clip", str(clip), "--output-dir", str(tmp_path), "--stay"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        address = next(line for line in demo.stdout if line.startswith("The page")).split()[-4]
        try:
            page = httpx.get(address, timeout=60)
            demo.send_signal(signal.SIGINT)
            demo.wait(60)
        finally:
            demo.kill()

    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert demo.returncode == 0


def test_a_clip_that_is_none_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the service is started."""
    assert main(["--clip", str(tmp_path / "missing.mp4")]) == 2
    assert "missing.mp4" in capsys.readouterr().err


def test_the_service_is_stopped_however_the_demo_ends() -> None:
    """An interrupted demo leaves no server behind."""

    def interrupted() -> None:
        with running_service() as address:
            addresses.append(address.http_url)
            raise KeyboardInterrupt

    addresses: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()

    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{addresses[0]}/healthz", timeout=60)


def test_a_service_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last words are in the error."""
    monkeypatch.setenv("KINEPOSE_MODEL", "kimnet-none")

    with pytest.raises(ServerFailed, match="kimnet-none"), running_service():
        pass


def test_differences_are_measured_joint_by_joint() -> None:
    """The largest distance of all counts."""
    poses = np.zeros((2, 13, 2))
    moved = poses.copy()
    moved[1, 4] = (3, 4)

    difference = largest_difference_px(Pass("a", results(poses), 1), Pass("b", results(moved), 1))

    assert difference == 5.0


def test_answers_for_other_frames_are_no_comparison() -> None:
    """Missing frames, other times, a failed frame, nobody, or somebody else."""
    whole = results(np.zeros((2, 13, 2)))
    late = [whole[0], replace(whole[1], pts_us=1)]
    failed = [whole[0], replace(whole[1], outcome=Outcome.ERROR, people=())]
    empty = [whole[0], replace(whole[1], people=())]
    renamed = [whole[0], replace(whole[1], people=(replace(whole[1].people[0], track_id=2),))]

    for other in (whole[:1], late, failed, empty, renamed):
        with pytest.raises(DifferentAnswers):
            largest_difference_px(Pass("a", whole, 1), Pass("b", other, 1))


def test_truth_is_read_in_the_order_of_the_skeleton(tmp_path: Path) -> None:
    """Names, not places, say which joint is which; exact joints score a hundred."""
    clip = tmp_path / "clip.mp4"
    write_truth(clip, 2)

    truth = load_truth(clip)

    assert truth is not None
    assert truth.joints[1, 0].tolist() == [1, 12]
    assert accuracy(results(truth.joints), truth).person == 100.0
    assert accuracy(results(truth.joints + 7), truth).person == 0.0
    first, second = results(truth.joints)
    assert accuracy([first, replace(second, people=())], truth).person == 50.0


def test_a_clip_without_truth_has_none(tmp_path: Path) -> None:
    """And a file that is something else is an error, not a wrong number."""
    assert load_truth(tmp_path / "clip.mp4") is None
    (tmp_path / "clip.json").write_text('{"frames": 3}')
    with pytest.raises(ValueError, match=r"clip\.json"):
        load_truth(tmp_path / "clip.mp4")


def test_truth_of_other_frames_is_refused(tmp_path: Path) -> None:
    """Comparing by index would hide a dropped frame."""
    write_truth(tmp_path / "clip.mp4", 2)
    truth = load_truth(tmp_path / "clip.mp4")
    assert truth is not None

    with pytest.raises(ValueError, match="other frames"):
        accuracy(results(np.zeros((3, 13, 2))), truth)
