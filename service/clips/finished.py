"""What a webhook tells of a clip job that has finished: how it ended and where its results are, and no joints."""

from datetime import UTC, datetime

from service.clips.job import ClipJob, Status
from service.contract import problem
from service.contract.bodies import ClipFinished, ClipLinks, FinishedClip
from service.contract.problem import Problem


def message_id(job: ClipJob) -> str:
    """The same in every attempt: receivers know by it what they have had before."""
    return f"msg_{job.id}"


def message_body(job: ClipJob, prefix: str) -> bytes:
    """The message as JSON. `prefix`: of the paths of the HTTP interface."""
    done = job.status is Status.DONE
    path = f"{prefix}/v1/clips/{job.id}"
    results = (f"{path}/poses", f"{path}/overlay.mp4") if done else (None, None)
    data = FinishedClip(
        id=job.id,
        status="done" if done else "failed",
        frames=job.info.frames_emitted if job.info else 0,
        error=Problem.model_validate(problem.to_problem(job.error)) if job.error else None,
        links=ClipLinks(job=path, poses=results[0], overlay=results[1]),
    )
    now = datetime.now(UTC)
    return (
        ClipFinished(type="clip.done" if done else "clip.failed", timestamp=now, data=data).model_dump_json().encode()
    )
