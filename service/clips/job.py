"""One clip: where its files are, how far it is."""

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from service.auth.api_keys import Caller
from service.clips.run import ClipOptions, ClipRun
from service.clips.storage import DiskShare
from service.contract import problem, wire
from service.contract.messages import ClipInfo
from service.errors import KineposeError
from service.webhooks.deliveries import Ticket


class Status(StrEnum):
    """Where a job is."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(eq=False)
class ClipJob:
    """One clip of one caller.

    Attributes:
        disk: how much of the disk it fills.
        kept: its result stays when the call that brought it ends.
        has_place: it counts among the clips that wait or are computed.
        run: once its turn has come.
        written: bytes of whole lines in `results_path`.
        changed: set whenever there are more of them, and at the end.
        error: set when it failed.
        webhook: room for the message that it has finished, where its client wants one.
    """

    id: str
    folder: Path
    caller: Caller
    disk: DiskShare
    kept: bool = False
    has_place: bool = False
    written: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    status: Status = Status.QUEUED
    options: ClipOptions = field(default_factory=ClipOptions)
    run: ClipRun | None = None
    error: KineposeError | None = None
    task: asyncio.Task[None] | None = None
    drawing: asyncio.Task[None] | None = None
    webhook: Ticket | None = None
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
    def drawing_path(self) -> Path:
        """Where the overlay is drawn."""
        return self.folder / "part.mp4"

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
