"""Clips at work: a bounded set, each with a folder of its own for the file, its results, its overlay.

    received ──► queued ──► running ──► done or failed ──► gone
    upload       a place     a turn      kept for its time, or until its one call ends

Results go to disk as NDJSON, so that memory does not grow with a clip's length and nobody who reads slowly keeps a
turn. Places, turns, results and bytes on disk are shared among API keys: see `service.config`.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self
from uuid import uuid4

from service.auth.access import Quota, check_owner
from service.auth.api_keys import Caller
from service.clips.finished import message_body, message_id
from service.clips.job import ClipJob, Status
from service.clips.places import ClipPlaces
from service.clips.run import ClipRun, clip_limits
from service.clips.storage import ClipStorage, DiskShare, full_disk_told
from service.clips.turns import Turns
from service.config import Settings
from service.contract import wire
from service.errors import ClipUnknown, Draining, KineposeError, QueueFull, StorageFull
from service.formats.native import ndjson_line
from service.media.limits import ClipLimits
from service.media.readers import ClipReaders, Drawing
from service.media.scratch import scratch_folder
from service.pipeline.pipeline import Pipeline

OVERLAYS: Final = 2
"""Overlays that are drawn at once, each in a process of its own, for which a thread waits; one of a key."""
READ_BYTES: Final = 64 * 1024
IDLE_READERS: Final = 2
"""Processes that wait for the next clip, 90 MB each; another one is ready 0.2 s after it is needed."""

log = logging.getLogger(__name__)


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
        self._ttl_s = settings.clip_result_ttl_s
        self._jobs: dict[str, ClipJob] = {}
        self._uploads = Quota("uploads", settings.max_uploads, settings.max_uploads_per_key)
        self._at_work = Quota("clips at work", settings.max_clip_jobs, settings.max_clip_jobs_per_key)
        self._turns = Turns(settings.max_running_clips, settings.max_running_clips_per_key)
        self._overlay_turns = Turns(OVERLAYS, 1)
        self._artists = ThreadPoolExecutor(OVERLAYS, thread_name_prefix="overlay")
        self._expiries: dict[str, asyncio.TimerHandle] = {}
        self._clearing: set[asyncio.Task[None]] = set()
        self._own = ExitStack()

    async def __aenter__(self) -> Self:
        root = await asyncio.to_thread(self._own.enter_context, scratch_folder("kinepose-clips-"))
        self.storage = ClipStorage(root, self._settings)
        self._pipeline.lifecycle.ready_checks.append(self.storage.check_free)
        readers = ClipReaders(self._settings.clip_memory_bytes, IDLE_READERS)
        self._readers = await asyncio.to_thread(self._own.enter_context, readers)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(self._abandon(job) for job in list(self._jobs.values())), *self._clearing)
        self._artists.shutdown(wait=False)
        self._pipeline.lifecycle.ready_checks.remove(self.storage.check_free)
        self.storage.close()
        await asyncio.to_thread(self._own.close)

    # -- one job's life -----------------------------------------------------------------------------------

    async def open(self, caller: Caller, declared_bytes: int = 0) -> ClipJob:
        """A new job with an empty folder, for a clip of so many bytes, as far as they are known.

        Raises:
            QueueFull: all places are taken, of all or of the caller's key.
            StorageFull: the disk has no room for it.
            RateLimited: the caller's key begins no more clips now.
            Draining: the server is shutting down.
        """
        await self._pipeline.rate_limits.clip(caller)
        self._pipeline.lifecycle.check_serving()
        self._uploads.check(caller)  # Refused before there is a folder: refusals must cost little.
        self._at_work.check(caller)  # It takes its place after the upload; without one it need not begin.
        self.storage.check_free(declared_bytes)
        folder = self.storage.root / uuid4().hex
        job = ClipJob(id=uuid4().hex, folder=folder, caller=caller, disk=DiskShare(self.storage, caller))
        await self.storage.make(job.folder, job.results_path)
        self._jobs[job.id] = job
        return job

    @asynccontextmanager
    async def upload(self, job: ClipJob) -> AsyncIterator[BinaryIO]:
        """The job's clip, to be written in the block; after it, the job has a place.

        Raises:
            QueueFull: too many uploads, or all places were taken meanwhile.
            StorageFull: the disk is full.
        """
        with self._uploads.holding(job.caller) as held:
            held.add()
            file = await self.storage.open(job.clip_path)
            try:
                yield file
            finally:
                file.close()  # At once: whoever is cancelled here waits for nothing more, and all of it is written.
        self._at_work.take(job.caller)
        job.has_place = True

    def grow(self, job: ClipJob, amount: int) -> None:
        """So many bytes more are about to be written for it; older results of the same key give way to them.

        Raises:
            QueueFull, StorageFull: and there is none that could.
        """
        while True:
            try:
                job.disk.grow(amount)
                return
            except (QueueFull, StorageFull) as error:
                victim = self._oldest_result(job.caller.key_id) or self._result_of_a_larger(job.caller.key_id, error)
                if victim is None or victim is job:
                    raise
                self._discard_soon(victim.id)

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

    async def _abandon(self, job: ClipJob) -> None:
        """As `discard`, where the server ends; whoever waits for word of the job gets it."""
        if not job.finished:
            job.status, job.error = Status.FAILED, Draining("the server shut down before the clip had finished")
            self._send_webhook(job)
        await self.discard(job)

    async def discard(self, job: ClipJob) -> None:
        """Stop the job's work if it has any left, and remove its folder: also where whoever asks is cancelled."""
        self._jobs.pop(job.id, None)
        await asyncio.shield(self._clear_soon(job))

    def _clear_soon(self, job: ClipJob) -> asyncio.Task[None]:
        clearing = asyncio.create_task(self._clear(job))
        self._clearing.add(clearing)
        clearing.add_done_callback(self._clearing.discard)
        return clearing

    async def _clear(self, job: ClipJob) -> None:
        if job.webhook:
            job.webhook.release()
        expiry = self._expiries.pop(job.id, None)
        if expiry:
            expiry.cancel()
        work = [task for task in (job.task, job.drawing) if task]
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        self._leave_place(job)
        await self.storage.remove(job.folder)
        job.disk.clear()
        if job.kept and self._places:
            await self._places.gone(job.id)

    def _discard_soon(self, job_id: str) -> None:
        job = self._jobs.pop(job_id, None)
        if job is None:
            return
        job.disk.clear()
        self._clear_soon(job)

    def _leave_place(self, job: ClipJob) -> None:
        if job.has_place:
            job.has_place = False
            self._at_work.release(job.caller)

    # -- results that are kept ----------------------------------------------------------------------------

    def _results(self, key_id: str | None) -> list[ClipJob]:
        """Of a key, the oldest first."""
        return [job for job in self._jobs.values() if job.kept and job.finished and job.caller.key_id == key_id]

    def _oldest_result(self, key_id: str | None) -> ClipJob | None:
        return next(iter(self._results(key_id)), None)

    def _result_of_a_larger(self, key_id: str | None, error: KineposeError) -> ClipJob | None:
        """Where all bytes are taken, the oldest result of the key that has the most, if that is another one."""
        if not isinstance(error, StorageFull):
            return None
        keys = {job.caller.key_id for job in self._jobs.values() if job.kept and job.finished}
        largest = max(keys, key=self.storage.quota.held_by, default=key_id)
        more = self.storage.quota.held_by(largest) > self.storage.quota.held_by(key_id)
        return self._oldest_result(largest) if more else None

    def _limit_results(self, key_id: str | None) -> None:
        own = self._results(key_id)
        if key_id is not None and len(own) > self._settings.max_clip_results_per_key:
            self._discard_soon(own[0].id)
        keys = {job.caller.key_id for job in self._jobs.values()}
        kept = [self._results(key) for key in keys]
        if sum(map(len, kept)) > self._settings.max_clip_results:
            self._discard_soon(max(kept, key=len)[0].id)

    # -- work ---------------------------------------------------------------------------------------------

    async def start(self, job: ClipJob) -> None:
        """Compute the clip in the background; its result stays until its time to live is over.

        Raises:
            StoreUnavailable, TooManySessions: other frontends cannot learn of it; it has not begun.
        """
        job.kept = True  # Before others learn of it: whatever becomes of this call, they are told when it is gone.
        if self._places:
            await self._places.started(job.id)
        self._begin(job)

    async def complete(self, job: ClipJob) -> None:
        """Compute the clip into `job.results_path`. Raises what it fails with."""
        task = self._begin(job)
        await asyncio.wait({task})
        if job.error:
            raise job.error

    async def lines(self, job: ClipJob) -> AsyncGenerator[bytes, None]:
        """Compute the clip: its results as lines of NDJSON, as they come; at the end what it fails with is raised.

        It is computed without waiting for whoever takes the lines.
        """
        self._begin(job)
        read = 0
        while True:
            job.changed.clear()
            if read < job.written:
                pieces = await self.storage.run(partial(_whole_lines, job.results_path, read, job.written))
                for line in pieces:
                    yield line
                read += sum(map(len, pieces))
            elif job.finished:
                break
            else:
                await job.changed.wait()
        if job.error:
            raise job.error

    def _begin(self, job: ClipJob) -> asyncio.Task[None]:
        job.task = asyncio.create_task(self._work(job), name=f"clip-{job.id}")
        return job.task

    async def _work(self, job: ClipJob) -> None:
        try:
            async with self._turns.turn(job.caller):
                await self._compute(job)
            job.status = Status.DONE
        except KineposeError as error:
            log.info("clip %s failed: %s", job.id, error)
            job.status, job.error = Status.FAILED, error
        except Exception:
            log.exception("clip %s failed", job.id)
            job.status, job.error = Status.FAILED, KineposeError("an error inside the server")
        self._leave_place(job)
        job.changed.set()
        if job.kept:
            await self._keep(job)

    async def _compute(self, job: ClipJob) -> None:
        job.status = Status.RUNNING
        job.run = ClipRun(self._pipeline, job.clip_path, job.options, self._readers.open, job.caller)
        with full_disk_told(), job.results_path.open("ab") as file:
            async with aclosing(job.run):
                async for result in job.run:
                    line = ndjson_line(wire.result_to_json(result))
                    self.grow(job, len(line))
                    file.write(line)
                    file.flush()
                    job.written += len(line)
                    job.changed.set()

    async def _keep(self, job: ClipJob) -> None:
        if job.error:  # Of a clip that failed only the error is told.
            await self.storage.remove(job.folder)
            job.disk.clear()
        loop = asyncio.get_running_loop()
        self._expiries[job.id] = loop.call_later(self._ttl_s, self._discard_soon, job.id)
        self._send_webhook(job)
        self._limit_results(job.caller.key_id)
        if self._places:
            await self._places.finished(job.id)

    def _send_webhook(self, job: ClipJob) -> None:
        if job.webhook and job.kept:
            job.webhook.send(message_id(job), message_body(job, self._settings.http_path_prefix))

    async def overlay(self, job: ClipJob) -> Path:
        """The clip with its skeleton drawn; made when first asked for. Whoever is cancelled ends the drawing.

        Raises:
            OverlayFailed: the encoder gives up, or its process came to its end.
            StorageFull, QueueFull: there is no room for it.
            ClipUnknown: the job was cleared away meanwhile.
        """
        async with job.overlay_lock:
            if job.id in self._jobs and not job.overlay_path.exists():
                job.drawing = asyncio.create_task(self._draw(job), name=f"overlay-{job.id}")
                try:
                    await asyncio.wait({job.drawing})
                finally:
                    job.drawing.cancel()
                    await asyncio.gather(job.drawing, return_exceptions=True)
                if not job.drawing.cancelled():
                    job.drawing.result()
        if job.id not in self._jobs:
            raise ClipUnknown("the clip was cleared away meanwhile")
        return job.overlay_path

    async def _draw(self, job: ClipJob) -> None:
        async with self._overlay_turns.turn(job.caller):
            drawing = self._readers.drawing(self._most_drawn(job))
            draw = partial(_draw, job, drawing, clip_limits(self._settings))
            drawn = asyncio.get_running_loop().run_in_executor(self._artists, draw)
            try:
                size = await asyncio.shield(drawn)
            finally:
                drawing.stop()
                await asyncio.gather(drawn, return_exceptions=True)
        try:
            self.grow(job, size)
        except KineposeError:
            job.overlay_path.unlink()
            raise

    def _most_drawn(self, job: ClipJob) -> int:
        """Bytes that its drawing may have: older results of its key would give way to it."""
        settings = self._settings
        share = settings.max_clip_bytes if job.caller.key_id is None else settings.max_clip_bytes_per_key
        return max(0, min(share, settings.max_clip_bytes) - job.disk.bytes)


def _whole_lines(path: Path, start: int, end: int) -> list[bytes]:
    """The next lines from a place on: as many as are read at a time, one at least."""
    # Opened for every piece: a file held open between two would stay so where its reader is cancelled meanwhile.
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(min(end - start, READ_BYTES))
        while not (cut := data.rfind(b"\n") + 1):
            data += file.read(READ_BYTES)
    return data[:cut].splitlines(keepends=True)


def _draw(job: ClipJob, drawing: Drawing, limits: ClipLimits) -> int:
    """Draw the overlay; how many bytes it has."""
    # Drawn beside its place and then moved there: a broken attempt never looks like a result.
    part = job.drawing_path
    try:
        drawing.draw(job.clip_path, job.results_path, part, limits)
        part.rename(job.overlay_path)
    finally:
        part.unlink(missing_ok=True)
    return job.overlay_path.stat().st_size
