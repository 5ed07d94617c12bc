"""Calls of `deploy/compose-test.sh` to the running service, each with what must come back; exit code 1 says what did not.

    python deploy/compose_calls.py [--http URL] [--grpc TARGET] --key-file FILE --joints FILE COMMAND

Every way of sending the demo clip has to give the same joints, bit for bit: `clip` keeps them in the file --joints, and
the other commands compare with it.
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import grpc
import httpx
import numpy as np
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from model.values import Array, Frame
from service.client import Client, Picture, Unreachable
from service.errors import StoreUnavailable
from service.messages import FrameResult, Outcome
from service.pb import pose_pb2 as pb
from service.pb.pose_pb2_grpc import PoseServiceStub
from service.video import open_video

CLIP = Path(__file__).parent.parent / "service" / "demo" / "clip.mp4"
FRAME_S = 0.04
TIMEOUT_S = 30.0
PATIENCE_S = 60.0


class Wrong(Exception):
    """The service answered otherwise than it should."""


def expect(told: object, wanted: object, where: str) -> None:
    """Wrong where they differ."""
    if told != wanted:
        raise Wrong(f"{where}: {told!r} instead of {wanted!r}")


@dataclass(frozen=True)
class Target:
    """Where the service is, and who calls."""

    http: str
    grpc: str
    key: str
    joints: Path

    def client(self) -> Client:
        """One that calls over HTTP and streams over gRPC."""
        return Client(self.http, self.grpc, timeout_s=TIMEOUT_S, api_key=self.key)


# -- frames and joints ------------------------------------------------------------------------------------


def pictures() -> list[Picture]:
    """The clip's frames as PNG: exactly the pixels that the service decodes from the file."""
    with open_video(CLIP) as video:
        return [Picture(_png(frame), frame.pts_us, seq=number) for number, frame in enumerate(video)]


def _png(frame: Frame) -> bytes:
    bgr = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", bgr, (cv2.IMWRITE_PNG_COMPRESSION, 1))
    assert done
    return data.tobytes()


def joints_of(results: list[FrameResult], frames: int, where: str) -> Array:
    """float32 [frames, K, 2], pixels. Wrong unless every frame has exactly one outcome, in order, and it is ok."""
    expect([result.seq for result in results], list(range(frames)), f"{where}: seqs")
    failed = [
        f"{r.seq}: {r.outcome.value}, {r.error_code}: {r.error_detail}" for r in results if r.outcome != Outcome.OK
    ]
    expect(failed, [], f"{where}: frames that did not end well")
    return np.stack([result.pose.xy_px for result in results if result.pose is not None])


def compare(target: Target, results: list[FrameResult], where: str) -> None:
    """Wrong unless the joints are those of the unbroken run."""
    unbroken = np.load(target.joints)
    joints = joints_of(results, len(results), where)
    apart = float(np.abs(joints - unbroken[: len(joints)]).max())
    expect(apart, 0.0, f"{where}: largest distance from the unbroken run, pixels")
    print(f"{where}: {len(results)} frames, each with one outcome, all ok; largest distance {apart} px")


# -- commands ---------------------------------------------------------------------------------------------


def refused(target: Target) -> None:
    """Without a key, and with a wrong one: nothing but health."""
    for headers in ({}, {"Authorization": "Bearer kp_nobody_" + "x" * 43}):
        with httpx.Client(base_url=target.http, headers=headers, timeout=TIMEOUT_S) as client:
            for path in ("/v1/models", "/v1/sessions/x", "/v1/clips/x", "/metrics", "/openapi.json", "/docs"):
                expect(client.get(path).status_code, 401, f"GET {path}")
            expect(client.post("/v1/sessions").status_code, 401, "POST /v1/sessions")
            expect(client.post("/v1/clips", content=CLIP.read_bytes()).status_code, 401, "POST /v1/clips")
            for path in ("/healthz", "/readyz"):
                expect(client.get(path).status_code, 200, f"GET {path}")
        _websocket_refused(target, headers)
        _grpc_refused(target, tuple((name.lower(), value) for name, value in headers.items()))
    print("HTTP 401, WebSocket 401, gRPC UNAUTHENTICATED; health answers")


def _websocket_refused(target: Target, headers: dict[str, str]) -> None:
    try:
        with connect(_websocket_url(target, "x"), additional_headers=headers):
            raise Wrong("WebSocket: accepted")
    except InvalidStatus as error:
        expect(error.response.status_code, 401, "WebSocket")


def _websocket_url(target: Target, session_id: str) -> str:
    return f"{target.http.replace('http', 'ws', 1)}/v1/sessions/{session_id}/stream"


def _grpc_refused(target: Target, metadata: tuple[tuple[str, str], ...]) -> None:
    with grpc.insecure_channel(target.grpc) as channel:
        service = PoseServiceStub(channel)
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        calls: dict[str, Callable[[], object]] = {
            "ListModels": lambda: service.ListModels(pb.ListModelsRequest(), metadata=metadata),
            "EstimateFrame": lambda: service.EstimateFrame(pb.Frame(), metadata=metadata),
            "StreamPose": lambda: list(service.StreamPose(iter([pb.Frame()]), metadata=metadata)),
            "reflection": lambda: list(reflection.ServerReflectionInfo(iter([asked]), metadata=metadata)),
        }
        for name, call in calls.items():
            expect(_status(call), grpc.StatusCode.UNAUTHENTICATED, f"gRPC {name}")
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)
        expect(answer.status, health_pb2.HealthCheckResponse.SERVING, "gRPC health")


def _status(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


def clip(target: Target) -> None:
    """The clip as a file over HTTP: the unbroken run. Then once more as a job, asked for at any frontend."""
    with target.client() as client:
        answers = client.estimate_clip(CLIP)
        results = list(answers)
    assert answers.info is not None
    np.save(target.joints, joints_of(results, answers.info.frames_decoded, "clip over HTTP"))
    print(f"clip over HTTP: {len(results)} frames")
    headers = {"Authorization": f"Bearer {target.key}"}
    with httpx.Client(base_url=target.http, headers=headers, timeout=TIMEOUT_S) as http:
        job = http.post("/v1/clips", content=CLIP.read_bytes(), headers={"Prefer": "respond-async"})
        expect(job.status_code, 202, "POST /v1/clips, as a job")
        poses = _poses(http, job.headers["Location"])
        expect(len(poses["frames"]), len(results), "frames of the job")
    print("clip as a job: the same frames, wherever it was asked for")


def _poses(http: httpx.Client, location: str) -> dict[str, list[object]]:
    end = time.monotonic() + PATIENCE_S
    while (answer := http.get(f"{location}/poses")).status_code == 202 and time.monotonic() < end:
        time.sleep(0.5)
    expect(answer.status_code, 200, f"GET {location}/poses")
    document: dict[str, list[object]] = answer.json()
    return document


def websocket(target: Target) -> None:
    """The first frames over a WebSocket."""
    sent = pictures()[:25]
    with target.client() as client:
        session = client.create_session()
    headers = {"Authorization": f"Bearer {target.key}"}
    with connect(_websocket_url(target, session.session_id), additional_headers=headers, max_size=None) as socket:
        for picture in sent:
            socket.send(picture.image)
        socket.send(json.dumps({"end": True}))
        answers = [json.loads(message) for message in socket]
    told = np.array([[(j["x"], j["y"]) for j in answer["joints"]] for answer in answers], dtype=np.float32)
    expect(float(np.abs(told - np.load(target.joints)[: len(sent)]).max()), 0.0, "WebSocket: distance, pixels")
    print(f"WebSocket: {len(answers)} frames, the same joints")


def streams(target: Target, count: int, at: int, command: str | None) -> None:
    """The clip `count` times at once over gRPC, at 25 frames a second; at frame `at` of the first, `command` runs."""
    sent = pictures()
    disturbance = Disturbance(command)
    with target.client() as client, ThreadPoolExecutor(count) as pool:
        work = [
            pool.submit(_stream, client, _paced(sent, at, disturbance.start if number == 0 else None))
            for number in range(count)
        ]
        answers = [future.result() for future in work]
    disturbance.check()
    for number, results in enumerate(answers):
        expect(len(results), len(sent), f"stream {number}: results")
        compare(target, results, f"stream {number} over gRPC")


def _stream(client: Client, frames: Iterator[Picture]) -> list[FrameResult]:
    with closing(client.stream(frames)) as results:
        return list(results)


def _paced(sent: list[Picture], at: int, disturb: Callable[[], None] | None) -> Iterator[Picture]:
    begin = time.monotonic()
    for number, picture in enumerate(sent):
        time.sleep(max(0.0, begin + number * FRAME_S - time.monotonic()))
        if number == at and disturb is not None:
            disturb()
        yield picture


class Disturbance:
    """A shell command that runs while frames go on; `check` raises Wrong where it failed, or never began."""

    def __init__(self, command: str | None) -> None:
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._began = threading.Event()

    def start(self) -> None:
        """Run it, without waiting for its end."""
        if self._command is not None:
            self._process = subprocess.Popen(["bash", "-c", self._command])
            self._began.set()

    def check(self) -> None:
        """Wait for its end."""
        if self._command is not None:
            if self._process is None:
                raise Wrong("the disturbance never began")
            expect(self._process.wait(), 0, self._command)


def session(target: Target, at: int, command: str) -> None:
    """One session, frame by frame over HTTP; before frame `at` the command runs. Lost answers are asked for again."""
    results = []
    with target.client() as client:
        session_id = client.create_session().session_id
        for picture in pictures()[: 2 * at]:
            if picture.seq == at:
                expect(subprocess.run(["bash", "-c", command], check=False).returncode, 0, command)
            results.append(_patiently(client, session_id, picture))
    compare(target, results, "a session over HTTP")


def _patiently(client: Client, session_id: str, picture: Picture) -> FrameResult:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        with suppress(StoreUnavailable, Unreachable):
            return client.send_frame(session_id, picture)
        time.sleep(0.2)
    return client.send_frame(session_id, picture)


def workers(target: Target, count: int) -> None:
    """The frontends count so many workers."""
    headers = {"Authorization": f"Bearer {target.key}"}
    end = time.monotonic() + PATIENCE_S
    with httpx.Client(base_url=target.http, headers=headers, timeout=TIMEOUT_S) as http:
        while (seen := _gauge(http, "kinepose_workers_alive")) != count and time.monotonic() < end:
            time.sleep(0.5)
    expect(seen, float(count), "kinepose_workers_alive")
    print(f"{count} workers alive")


def _gauge(http: httpx.Client, name: str) -> float | None:
    lines = http.get("/metrics").raise_for_status().text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), None)


def main() -> int:
    """Run a command."""
    parsed = _parser().parse_args()
    key = parsed.key_file.read_text(encoding="utf-8").strip()
    target = Target(parsed.http, parsed.grpc, key, parsed.joints)
    commands: dict[str, Callable[[], None]] = {
        "refused": lambda: refused(target),
        "clip": lambda: clip(target),
        "websocket": lambda: websocket(target),
        "streams": lambda: streams(target, parsed.count, parsed.at, parsed.run),
        "session": lambda: session(target, parsed.at, parsed.run),
        "workers": lambda: workers(target, parsed.count),
    }
    try:
        commands[parsed.command]()
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http", default="http://127.0.0.1:8000", metavar="URL")
    parser.add_argument("--grpc", default="127.0.0.1:50051", metavar="TARGET")
    parser.add_argument("--key-file", type=Path, required=True)
    parser.add_argument("--joints", type=Path, required=True, help="where the joints of the unbroken run are (.npy)")
    parser.add_argument("--count", type=int, default=1, help="of streams, or of workers")
    parser.add_argument("--at", type=int, default=40, metavar="FRAME", help="the frame before which --run runs")
    parser.add_argument("--run", metavar="COMMAND", help="what disturbs")
    parser.add_argument("command", choices=("refused", "clip", "websocket", "streams", "session", "workers"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
