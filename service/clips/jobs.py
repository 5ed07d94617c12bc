"""Clips at work: a bounded set, each with a folder of its own for the file, its results, its overlay.

Results go to disk as NDJSON, so that memory does not grow with a clip's length.
"""

import asyncio
import json
import logging
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import ExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self
from uuid import uuid4

from service.auth.api_keys import Caller, check_owner
from service.clips.places import ClipPlaces
from service.clips.run import ClipOptions, ClipRun, clip_limits
from service.clips.scratch import scratch_folder
from service.config import Settings
from service.contract import problem, wire
from service.contract.messages import ClipInfo, FrameResult
from service.errors import ClipUnknown, KineposeError, QueueFull
from service.media.overlay import render_overlay
from service.pipeline.pipeline import Pipeline

# Clips that are computed at once; more wait their turn. Frames of clips give way to live ones in any case.
RUNNING = 4
RETRY_AFTER_MS = 1000

log = logging.getLogger(__name__)


class Status(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(eq=False)
class ClipJob:
    """One clip of one caller. `error` is set when it failed; `run` once its turn has come."""

    id: str
    folder: Path
    caller: Caller
    status: Status = Status.QUEUED
    options: ClipOptions = field(default_factory=ClipOptions)
    run: ClipRun | None = None
    error: KineposeError | None = None
    task: asyncio.Task[None] | None = None
    overlay_lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def clip_path(self) -> Path:
        """The file as it was sent."""
        return self.folder / "clip"

    @property
    def results_path(self) -> Path:
        """One JSON object a frame and line."""
        return self.folder / "results.ndjson"

    @property
    def overlay_path(self) -> Path:
        """The clip with its skeleton drawn."""
        return self.folder / "overlay.mp4"

    @property
    def finished(self) -> bool:
        """True once nothing more comes."""
        return self.status in (Status.DONE, Status.FAILED)

    @property
    def info(self) -> ClipInfo | None:
        """What is known of the clip by now."""
        return self.run.info if self.run else None

    def progress(self) -> float | None:
        """Share of the frames that are done, in [0, 1]; None where the container does not say."""
        if self.status is Status.DONE:
            return 1.0
        info = self.info
        if info is None:
            return 0.0
        return min(info.frames_emitted / info.frames_declared, 1.0) if info.frames_declared else None

    def to_json(self) -> dict[str, Any]:
        """What `GET /v1/clips/{id}` tells."""
        info = self.info
        return {
            "id": self.id,
            "status": self.status.value,
            "progress": self.progress(),
            "clip": wire.clip_to_json(info) if info else None,
            "error": problem.to_problem(self.error) if self.error else None,
        }


class ClipJobs:
    """All jobs of a server; an async context manager, at whose end all work stops and all folders go.

    Args:
        pipeline: computes their frames.
        settings: limits.
        places: records which jobs are here, where other frontends want to know it.
    """

    def __init__(self, pipeline: Pipeline, settings: Settings, places: ClipPlaces | None = None) -> None:
        self._pipeline = pipeline
        self._places = places
        self._settings = settings
        self._most = settings.max_clip_jobs
        self._ttl_s = settings.clip_result_ttl_s
        self._jobs: dict[str, ClipJob] = {}
        self._turns = asyncio.Semaphore(RUNNING)
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._clearing: set[asyncio.Task[None]] = set()
        self._own = ExitStack()

    async def __aenter__(self) -> Self:
        self._root = await asyncio.to_thread(self._own.enter_context, scratch_folder("kinepose-clips-"))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(self.discard(job) for job in list(self._jobs.values())), *self._clearing)
        await asyncio.to_thread(self._own.close)

    # -- one job's life -----------------------------------------------------------------------------------

    async def open(self, caller: Caller) -> ClipJob:
        """A new job with an empty folder. The oldest finished job makes room where there is none.

        Raises:
            QueueFull: all places are taken by jobs that are not finished.
            RateLimited: the caller's key begins no more clips now.
            Draining: the server is shutting down.
        """
        await self._pipeline.rate_limits.clip(caller)
        self._pipeline.lifecycle.check_serving()
        if len(self._jobs) >= self._most:
            self._make_room()
        job = ClipJob(id=uuid4().hex, folder=self._root / uuid4().hex, caller=caller)
        job.folder.mkdir()
        self._jobs[job.id] = job
        return job

    def _make_room(self) -> None:
        oldest = next((job for job in self._jobs.values() if job.finished), None)
        if oldest is None:
            raise QueueFull(f"{self._most} clips are at work, the limit", retry_after_ms=RETRY_AFTER_MS)
        self._discard_soon(oldest.id)

    def get(self, job_id: str, caller: Caller) -> ClipJob:
        """The job of that id; ClipUnknown where there is none (any more), Forbidden where another key made it."""
        job = self._jobs.get(job_id)
        if job is None:
            raise ClipUnknown("no clip of that id; its result may have been cleared away")
        check_owner(caller, job.caller.key_id, f"clip {job_id}", self._pipeline.metrics)
        return job

    @asynccontextmanager
    async def scratch(self, caller: Caller) -> AsyncIterator[ClipJob]:
        """A job that is gone when the block ends: for clips that are answered in one call. Raises as `open`."""
        job = await self.open(caller)
        try:
            yield job
        finally:
            await self.discard(job)

    async def discard(self, job: ClipJob) -> None:
        """Stop the job's work if it has any left, and remove its folder."""
        self._jobs.pop(job.id, None)
        expiry = self._expiries.pop(job.id, None)
        if expiry:
            expiry.cancel()
        if job.task:
            job.task.cancel()
            await asyncio.gather(job.task, return_exceptions=True)
        await asyncio.to_thread(shutil.rmtree, job.folder, ignore_errors=True)
        if job.task and self._places:
            await self._places.gone(job.id)

    def _discard_soon(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        clearing = asyncio.create_task(self.discard(job))
        self._clearing.add(clearing)
        clearing.add_done_callback(self._clearing.discard)

    # -- work ---------------------------------------------------------------------------------------------

    async def results(self, job: ClipJob) -> AsyncGenerator[FrameResult, None]:
        """Compute the clip: results as they come. Close the generator to stop the work."""
        try:
            async with self._turns:
                job.status = Status.RUNNING
                job.run = ClipRun(self._pipeline, job.clip_path, job.options, job.caller)
                async with aclosing(job.run):
                    async for result in job.run:
                        yield result
        except KineposeError as error:
            job.status, job.error = Status.FAILED, error
            raise
        job.status = Status.DONE

    async def spool(self, job: ClipJob) -> None:
        """Compute the clip into `job.results_path`."""
        file = await asyncio.to_thread(job.results_path.open, "wb")
        with file:
            async with aclosing(self.results(job)) as results:
                async for result in results:
                    file.write(ndjson_line(wire.result_to_json(result)))

    async def start(self, job: ClipJob) -> None:
        """Compute the clip in the background; its result stays until its time to live is over.

        Raises:
            StoreUnavailable, TooManySessions: other frontends cannot learn of it; it has not begun.
        """
        if self._places:
            await self._places.started(job.id)
        job.task = asyncio.create_task(self._work(job), name=f"clip-{job.id}")

    async def _work(self, job: ClipJob) -> None:
        try:
            await self.spool(job)
        except KineposeError as error:
            log.info("clip %s failed: %s", job.id, error)
        except Exception:
            log.exception("clip %s failed", job.id)
            job.status, job.error = Status.FAILED, KineposeError("an error inside the server")
        loop = asyncio.get_running_loop()
        self._expiries[job.id] = loop.call_later(self._ttl_s, self._discard_soon, job.id)
        if self._places:
            await self._places.finished(job.id)

    async def overlay(self, job: ClipJob) -> Path:
        """The clip with its skeleton drawn; made when first asked for."""
        async with job.overlay_lock:
            if not job.overlay_path.exists():
                await asyncio.to_thread(_draw, job, self._settings)
        return job.overlay_path


def _draw(job: ClipJob, settings: Settings) -> None:
    # Drawn beside its place and then moved there: a broken attempt never looks like a result.
    part = job.folder / "part.mp4"
    with job.results_path.open("rb") as lines:
        results = (wire.result_from_json(json.loads(text)) for text in lines)
        render_overlay(job.clip_path, results, part, clip_limits(settings))
    part.rename(job.overlay_path)


def ndjson_line(data: dict[str, Any]) -> bytes:
    """One line of NDJSON."""
    return json.dumps(data, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def spooled_lines(info: ClipInfo, lines: BinaryIO) -> Iterator[bytes]:
    """The results of a clip as NDJSON, the last line with `clip`; closes `lines` at the end."""
    with lines:
        yield from lines
        yield ndjson_line({"clip": wire.clip_to_json(info)})


def clip_document(info: ClipInfo, lines: BinaryIO) -> Iterator[bytes]:
    """The native reply of a clip, `{"clip", "frames": [...]}`, piece by piece; closes `lines` at the end."""
    with lines:
        yield b'{"clip":' + ndjson_line(wire.clip_to_json(info)).strip() + b',"frames":['
        for number, text in enumerate(lines):
            yield (b"," if number else b"") + text.strip()
        yield b"]}"
