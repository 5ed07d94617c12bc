"""The load tool against a real server."""

import asyncio
import json
from pathlib import Path

import pytest

from bench.footage import Footage
from bench.report import faults, load_report
from bench.run import Plan, Target, drive
from bench.transports import TRANSPORTS, Transport
from model.values import Region
from service.__main__ import main
from service.contract.messages import DropPolicy, SessionOptions
from service.processes.frontend import RunningServer
from tests.support.clips import make_clip
from tests.support.server import SIZE, jpegs

pytestmark = pytest.mark.asyncio(loop_scope="session")

FOOTAGE = Footage("made", tuple(jpegs(3)), Region(10, 10, 40, 50))


def target(server: RunningServer, transport: Transport) -> Target:
    """Where the shared server listens."""
    return Target(transport, (server.grpc_target if transport == "grpc" else server.http_url,))


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_every_frame_of_every_session_is_answered(server: RunningServer, transport: Transport) -> None:
    """Over each transport: as many outcomes as frames, and none lost."""
    plan = Plan(sessions=2, frames_per_s=20, seconds=0.2, footage=(FOOTAGE,))

    run = await drive(target(server, transport), plan)
    report = load_report(target(server, transport), plan, run, warm_up_s=0.0, server=None)

    assert faults(report) == []
    assert report["frames"]["planned"] == report["frames"]["ok"] == report["latency_ms"]["frames"] == 8
    assert report["latency_ms"]["from_due"]["p50"] >= report["latency_ms"]["from_sent"]["p50"] > 0


async def test_dropped_and_expired_frames_are_counted_as_such(server: RunningServer) -> None:
    """More than the server can bear, with a deadline that nobody meets: still each frame has its outcome."""
    options = SessionOptions(drop_policy=DropPolicy.DROP_LATEST)
    plan = Plan(1, frames_per_s=1000, seconds=0.05, footage=(FOOTAGE,), options=options, deadline_ms=1)

    run = await drive(target(server, "grpc"), plan)
    frames = load_report(target(server, "grpc"), plan, run, 0.0, None)["frames"]

    assert frames["dropped"] + frames["expired"] > 0
    assert frames["ok"] + frames["dropped"] + frames["expired"] == frames["sent"] == 50
    assert frames["lost"] == 0


async def test_the_command_reports_latency_frames_batches_and_cores(
    server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON in a file, as tables on stdout."""
    clip = make_clip(tmp_path / "clip.mp4", count=3)
    output = tmp_path / "load.json"
    words = f"bench load --transport http --sessions 2 --rate 20 --seconds 0.2 --warm-up 0 --http-url {server.http_url}"
    words += f" --metrics-url {server.http_url}/metrics --region 1,1,{SIZE[0] // 2},{SIZE[1] // 2}"

    code = await asyncio.to_thread(main, [*words.split(), "--clip", str(clip), "--output", str(output)])

    report = json.loads(output.read_text())
    assert code == 0
    assert report["frames"]["ok"] == 8
    assert sum(report["server"]["batches"]["by_size_up_to"].values()) == report["server"]["batches"]["count"] > 0
    assert {"machine", "plan", "generator"} <= report.keys()
    assert "latency from due" in capsys.readouterr().out


async def test_the_command_loads_with_sessions_of_several_people(
    server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The region's person is one of them; how many there were in an answer is told."""
    clip, output = make_clip(tmp_path / "clip.mp4", count=3), tmp_path / "load.json"
    words = "bench load --transport websocket --sessions 1 --rate 20 --seconds 0.2 --warm-up 0 --max-people 3"
    words += f" --http-url {server.http_url} --region 1,1,{SIZE[0] // 2},{SIZE[1] // 2}"

    code = await asyncio.to_thread(main, [*words.split(), "--clip", str(clip), "--output", str(output)])

    report = json.loads(output.read_text())
    assert code == 0
    assert (report["frames"]["ok"], report["plan"]["max_people"]) == (4, 3)
    assert 0 <= report["people_a_frame"] <= 3
    assert "people a frame" in capsys.readouterr().out


async def test_a_server_that_is_not_there_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, one line, and the report says what was not sent."""
    clip, output = make_clip(tmp_path / "clip.mp4", count=2), tmp_path / "load.json"
    words = "bench load --sessions 1 --rate 20 --seconds 0.2 --transport http --http-url http://127.0.0.1:1"

    code = await asyncio.to_thread(main, [*words.split(), "--clip", str(clip), "--output", str(output)])

    assert code == 1
    assert "broke off" in capsys.readouterr().err
    assert json.loads(output.read_text())["frames"]["not_sent"] == 4


async def test_a_clip_that_is_none_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is sent."""
    code = await asyncio.to_thread(main, ["bench", "load", "--clip", str(tmp_path / "missing.mp4")])

    assert code == 2
    assert "missing.mp4" in capsys.readouterr().err
