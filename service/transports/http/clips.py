"""HTTP routes of clips: a file in, joints out, at once, line by line, or as a job."""

import logging
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, aclosing
from functools import partial
from typing import Annotated, NamedTuple, Self

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from service.auth.api_keys import Caller
from service.clips.job import ClipJob, Status
from service.clips.jobs import ClipJobs
from service.clips.run import ClipOptions
from service.contract import problem, wire
from service.contract import regions as regions_of
from service.contract.bodies import ClipFinished, ClipReply, JobReply
from service.errors import BadClip, BadRequest, ClipTooLong, KineposeError, TooLarge
from service.formats.catalog import MP4, MP4_TYPE, NDJSON
from service.formats.native import ndjson_line
from service.kinematics.process import Wanted
from service.transports.http import formats, openapi
from service.transports.http.connection import ClosingStream, while_connected
from service.transports.http.dependencies import CallerOf, ServicesOf, clip_relay_of
from service.transports.http.errors import problem_response
from service.transports.http.uploads import FORM_OVERHEAD_BYTES, Sink, declared_bytes, receive_file
from service.transports.pace import Pace
from service.transports.services import MOST_SMOOTHED, Services

# A hint to those who poll a job.
POLL_AFTER_S = 1

log = logging.getLogger(__name__)
router = APIRouter(
    prefix="/v1/clips", tags=["clips"], dependencies=[Depends(openapi.BEARER)], responses=openapi.PROBLEMS
)


@router.post(
    "",
    openapi_extra=openapi.file_body(
        ("video/*", "application/octet-stream"),
        "The clip: MP4, MOV, MKV, WebM or AVI.",
        region="string",
        regions="string",
        max_people="integer",
        model="string",
        strict="boolean",
        format="string",
        webhook="string",
        smoothing="string",
    ),
    responses={
        200: openapi.in_formats("The joints of every frame.", openapi.CLIP, ClipReply),
        202: openapi.answer("`Prefer: respond-async`: a job, named in Location.", openapi.JOB, JobReply),
    },
)
async def post_clip(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    region: Annotated[str | None, Query(description="x,y,w,h: the person in the first frame, pixels.")] = None,
    regions: Annotated[str | None, Query(description="x,y,w,h;x,y,w,h: several people, by number.")] = None,
    max_people: Annotated[str | None, Query(description="How many people are followed; default: 1.")] = None,
    model: Annotated[str | None, Query(description="A name from GET /v1/models.")] = None,
    strict: Annotated[str | None, Query(description="true: damage ends the clip with an error; else `gaps`.")] = None,
    form: Annotated[str | None, openapi.FORMAT] = None,
    webhook: Annotated[str | None, openapi.WEBHOOK] = None,
    smoothing: Annotated[str | None, openapi.SMOOTHING] = None,
    prefer: Annotated[str, Header()] = "",
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Joints of a whole clip. As NDJSON: a line a frame while it works, then `clip`; other formats once it is done."""
    async with AsyncExitStack() as stack:
        said = {"region": region, "regions": regions, "max_people": max_people, "model": model, "strict": strict}
        said |= {"format": form, "webhook": webhook, "smoothing": smoothing}
        later = "respond-async" in prefer
        job, asked = await _receive(request, services, caller, stack, said, accept, later)
        if later:
            await services.jobs.start(job)
            stack.pop_all()
            return _accepted(request, job)
        if asked.form == NDJSON.name and asked.wanted.causal:
            return await _line_by_line(request, services.jobs, job, asked.wanted, stack)
        await while_connected(request, services.jobs.complete(job))
        if asked.form == MP4:
            path = await while_connected(request, services.jobs.overlay(job))
            return formats.drawing(path.open("rb"), stack.pop_all())
        return await _results(services, caller, job, asked, stack)


class _Asked(NamedTuple):
    """How a client wants a clip's results.

    Attributes:
        form: the name of a format.
        wanted: what is made of the joints.
    """

    form: str
    wanted: Wanted

    @classmethod
    def of(cls, said: Mapping[str, str | None], accept: str) -> Self:
        """Raises BadRequest."""
        return cls(formats.wanted(said["format"], accept), Wanted(smooth=said["smoothing"] or None))


async def _results(services: Services, caller: Caller, job: ClipJob, asked: _Asked, stack: AsyncExitStack) -> Response:
    """Of a job that is done. Raises ClipTooLong, QueueFull where too many are made smooth."""
    assert job.info is not None
    async with stack:
        if not asked.wanted.nothing:
            amount = job.info.frames_emitted * job.options.max_people
            if amount > MOST_SMOOTHED:
                raise ClipTooLong(f"smoothing: {amount} frames times people; at most {MOST_SMOOTHED}")
            stack.enter_context(services.smoothing.holding(caller)).add(amount)
        lines = job.results_path.open("rb")
        return await formats.answer(asked.form, job.info, lines, asked.wanted, stack.pop_all())


async def _receive(
    request: Request,
    services: Services,
    caller: Caller,
    stack: AsyncExitStack,
    said: Mapping[str, str | None],
    accept: str,
    later: bool,
) -> tuple[ClipJob, _Asked]:
    """The job with the clip and its options, and how its results are wanted."""
    _options(said)  # A wrong parameter is refused before the upload.
    _check_webhook(services, said["webhook"], later)
    _Asked.of(said, accept)
    jobs, limit = services.jobs, services.settings.max_body_bytes
    if declared_bytes(request) > limit + FORM_OVERHEAD_BYTES:
        raise TooLarge.body(limit)
    job = await jobs.open(caller, declared_bytes(request))
    stack.push_async_callback(jobs.discard, job)
    async with jobs.upload(job) as file:
        sink = Sink(file, limit, Pace.of(services.settings), partial(jobs.grow, job), jobs.storage.run)
        form = await receive_file(request, sink)
        if file.tell() == 0:
            raise BadClip("the clip is empty (0 bytes): send the file as the body, or as the part `file` of a form")
        said = {name: value or form.get(name) for name, value in said.items()}
        job.options = _options(said)
        if url := _check_webhook(services, said["webhook"], later):
            job.webhook = services.webhooks.ticket(url, caller)
    return job, _Asked.of(said, accept)


def _options(said: Mapping[str, str | None]) -> ClipOptions:
    return ClipOptions(
        model=said["model"] or None,
        regions=regions_of.from_params(said["region"], said["regions"]),
        strict=wire.flag("strict", said["strict"]),
        max_people=wire.max_people(said["max_people"]),
    )


def _check_webhook(services: Services, url: str | None, later: bool) -> str | None:
    """The URL, if there is one. Raises WebhookRefused; BadRequest where the client waits for the answer anyway."""
    if not url:
        return None
    services.webhooks.check(url)
    if not later:
        raise BadRequest("webhook: it goes with `Prefer: respond-async`, a job in the background")
    return url


async def _line_by_line(
    request: Request, jobs: ClipJobs, job: ClipJob, wanted: Wanted, stack: AsyncExitStack
) -> Response:
    lines = await stack.enter_async_context(aclosing(jobs.lines(job)))
    # A clip that cannot be opened is answered with its own status: the first frame comes before the headers.
    first = await while_connected(request, anext(lines, None))
    return ClosingStream(_lines(job, wanted, first, lines), stack.pop_all(), NDJSON.media_type)


async def _lines(
    job: ClipJob, wanted: Wanted, first: bytes | None, others: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    try:
        if first is not None:
            assert job.info is not None
            told = _as_it_is if wanted.nothing else formats.line_by_line(wanted, job.info.pixel_aspect)
            yield told(first)
            async for line in others:
                yield told(line)
        assert job.info is not None
        yield ndjson_line({"clip": wire.clip_to_json(job.info)})
    except KineposeError as error:
        yield ndjson_line({"error": problem.to_problem(error)})
    except Exception:
        log.exception("clip %s failed", job.id)
        yield ndjson_line({"error": problem.to_problem(KineposeError())})


def _as_it_is(line: bytes) -> bytes:
    return line


# -- webhooks ---------------------------------------------------------------------------------------------

webhooks = APIRouter()
"""What the server itself calls: for the OpenAPI document alone."""


@webhooks.post(
    "clip-finished",
    status_code=204,
    response_description="Taken; any other 2xx is as good.",
    responses={410: {"description": "No more of this one, please."}, "default": {"description": "Tried again later."}},
    openapi_extra=openapi.WEBHOOK_BODY,
)
def clip_finished(
    body: ClipFinished,
    webhook_id: Annotated[str, Header(description="The same in every attempt.")],
    webhook_timestamp: Annotated[int, Header(description="Unix seconds of the attempt.")],
    webhook_signature: Annotated[str, Header(description="`v1,` and base64, one for each secret.")],
) -> None:
    """A clip job with `webhook` has finished. Signed by the Standard Webhooks scheme."""


# -- jobs -------------------------------------------------------------------------------------------------


def _accepted(request: Request, job: ClipJob) -> Response:
    headers = {
        "Location": f"{request.scope['root_path']}/v1/clips/{job.id}",
        "Preference-Applied": "respond-async",
        "Retry-After": str(POLL_AFTER_S),
    }
    return JSONResponse(job.to_json(), 202, headers=headers)


@router.get("/{clip_id}", responses={200: openapi.answer("How far it is.", openapi.JOB)})
async def get_clip(clip_id: str, services: ServicesOf, caller: CallerOf) -> JobReply:
    """Status and progress of a job."""
    return JobReply.model_validate(services.jobs.get(clip_id, caller).to_json())


@router.delete("/{clip_id}", status_code=204)
async def delete_clip(clip_id: str, services: ServicesOf, caller: CallerOf) -> Response:
    """Stop a job and clear its files away."""
    await services.jobs.discard(services.jobs.get(clip_id, caller))
    return Response(status_code=204)


@router.get(
    "/{clip_id}/poses",
    responses={
        200: openapi.in_formats("The joints of every frame.", openapi.CLIP, ClipReply),
        202: openapi.answer("It still works; ask again.", openapi.JOB, JobReply),
    },
)
async def get_poses(
    request: Request,
    clip_id: str,
    services: ServicesOf,
    caller: CallerOf,
    form: Annotated[str | None, openapi.FORMAT] = None,
    smoothing: Annotated[str | None, openapi.SMOOTHING] = None,
    accept: Annotated[str, Header()] = "",
) -> Response:
    """Results of a job; 202 with its status while it works, its error if it failed."""
    job = services.jobs.get(clip_id, caller)
    asked = _Asked.of({"format": form, "smoothing": smoothing}, accept)
    if not _done(job):
        return _accepted(request, job)
    if asked.form == MP4:
        return FileResponse(await while_connected(request, services.jobs.overlay(job)), media_type=MP4_TYPE)
    return await _results(services, caller, job, asked, AsyncExitStack())


@router.get(
    "/{clip_id}/overlay.mp4",
    response_class=FileResponse,
    responses={
        200: {"description": "The clip with its skeleton drawn.", "content": {"video/mp4": {}}},
        202: openapi.answer("It still works; ask again.", openapi.JOB, JobReply),
    },
)
async def get_overlay(request: Request, clip_id: str, services: ServicesOf, caller: CallerOf) -> Response:
    """The clip with its skeleton drawn, made when first asked for."""
    job = services.jobs.get(clip_id, caller)
    if not _done(job):
        return _accepted(request, job)
    return FileResponse(await while_connected(request, services.jobs.overlay(job)), media_type=MP4_TYPE)


async def on_clip_unknown(request: Request, error: Exception) -> Response:
    """A job that is not kept here may be kept by another frontend: its answer, or that nobody knows the job."""
    assert isinstance(error, KineposeError)
    relay = clip_relay_of(request)
    try:
        answer = await relay.answer(request, request.path_params["clip_id"]) if relay else None
    except KineposeError as failed:
        return problem_response(failed)
    return answer or problem_response(error)


def _done(job: ClipJob) -> bool:
    if job.status is Status.FAILED:
        assert job.error is not None
        raise job.error
    return job.status is Status.DONE
