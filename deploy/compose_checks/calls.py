"""Every way of sending the demo clip, undisturbed and disturbed."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import httpx
import numpy as np
from websockets.sync.client import connect

from deploy.compose_checks.expect import TIMEOUT_S, Target, Wrong, expect
from deploy.compose_checks.frames import CLIP, compare, joints_of, pictures
from kinepose_client import Client, Picture, Unreachable
from service.contract.messages import FrameResult
from service.errors import StoreUnavailable

FRAME_S = 0.04
PATIENCE_S = 60.0


def clip(target: Target) -> None:
    """The clip as a file over HTTP: the unbroken run. Then once more as a job, asked for at any frontend."""
    with target.client() as client:
        answers = client.estimate_clip(CLIP)
        results = list(answers)
    assert answers.info is not None
    np.save(target.joints, joints_of(results, answers.info.frames_decoded, "clip over HTTP"))
    print(f"clip over HTTP: {len(results)} frames")
    with httpx.Client(base_url=target.http, headers=target.headers, timeout=TIMEOUT_S) as http:
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
    with connect(target.websocket_url(session.session_id), additional_headers=target.headers, max_size=None) as socket:
        for picture in sent:
            socket.send(picture.image)
        socket.send(json.dumps({"end": True}))
        answers = [json.loads(message) for message in socket]
    people = [person for answer in answers for person in answer["people"]]
    expect(len(people), len(sent), "WebSocket: people, one a frame")
    found = np.array([[(j["x"], j["y"]) for j in person["joints"]] for person in people], dtype=np.float32)
    expect(float(np.abs(found - np.load(target.joints)[: len(sent)]).max()), 0.0, "WebSocket: distance, pixels")
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
    end = time.monotonic() + PATIENCE_S
    with httpx.Client(base_url=target.http, headers=target.headers, timeout=TIMEOUT_S) as http:
        while (seen := _gauge(http, "kinepose_workers_alive")) != count and time.monotonic() < end:
            time.sleep(0.5)
    expect(seen, float(count), "kinepose_workers_alive")
    print(f"{count} workers alive")


def _gauge(http: httpx.Client, name: str) -> float | None:
    lines = http.get("/metrics").raise_for_status().text.splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), None)
