"""HTTP routes of sessions, frames and models. Clips are in `clips`."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from service.contract import wire
from service.contract.bodies import FrameReply, ModelsReply, frame_reply
from service.contract.messages import SessionInfo
from service.transports.http import openapi
from service.transports.http.connection import while_connected
from service.transports.http.dependencies import CallerOf, ServicesOf
from service.transports.http.uploads import copy_body, in_memory, receive_file

MAX_OPTIONS_BYTES = 64 * 1024

router = APIRouter(
    prefix="/v1",
    dependencies=[Depends(openapi.BEARER)],
    responses=openapi.PROBLEMS,
    default_response_class=JSONResponse,
)

# -- sessions ---------------------------------------------------------------------------------------------


@router.post(
    "/sessions",
    status_code=201,
    tags=["sessions"],
    openapi_extra=openapi.SESSION_BODY,
    responses={201: openapi.answer("A session: people, followed through one video.", openapi.SESSION)},
)
async def create_session(request: Request, response: Response, services: ServicesOf, caller: CallerOf) -> SessionInfo:
    """Open a session."""
    with in_memory(services, caller, MAX_OPTIONS_BYTES) as (body, sink):
        await copy_body(request, sink)
        session = await services.pipeline.sessions.create(wire.options_from_json(body.getvalue()), caller=caller)
    response.headers["Location"] = f"{request.scope['root_path']}/v1/sessions/{session.session_id}"
    return session


@router.get("/sessions/{session_id}", tags=["sessions"], responses={200: openapi.answer("It lives.", openapi.SESSION)})
async def get_session(session_id: str, services: ServicesOf, caller: CallerOf) -> SessionInfo:
    """What a session expects next."""
    return await services.pipeline.sessions.info(session_id, caller=caller)


@router.delete("/sessions/{session_id}", tags=["sessions"], responses={200: openapi.answer("It was.", openapi.SESSION)})
async def close_session(session_id: str, services: ServicesOf, caller: CallerOf) -> SessionInfo:
    """End a session and forget its state; answers with what it was."""
    return await services.pipeline.sessions.close(session_id, caller=caller)


# -- frames -----------------------------------------------------------------------------------------------


@router.post(
    "/sessions/{session_id}/frames",
    tags=["sessions"],
    openapi_extra=openapi.file_body(
        openapi.PICTURES,
        "The picture. Every frame of a session has the same size.",
        seq="integer",
        pts_us="integer",
        region="string",
        regions="string",
        deadline_ms="integer",
    ),
    responses={200: openapi.answer("The joints, in pixels of the picture.", openapi.FRAME)},
)
async def estimate_frame(
    request: Request,
    session_id: str,
    services: ServicesOf,
    caller: CallerOf,
    seq: Annotated[str | None, Query(description="Number in the session, from 0; default: the next.")] = None,
    pts_us: Annotated[str | None, Query(description="Presentation time, microseconds, increasing.")] = None,
    region: Annotated[str | None, Query(description="x,y,w,h: the person's own box, pixels.")] = None,
    regions: Annotated[str | None, Query(description="x,y,w,h;x,y,w,h: several people's, by number.")] = None,
    deadline_ms: Annotated[str | None, Query(description="Milliseconds after which nobody waits.")] = None,
    kinepose_seq: Annotated[str | None, Header()] = None,
    kinepose_pts_us: Annotated[str | None, Header()] = None,
    kinepose_region: Annotated[str | None, Header()] = None,
    kinepose_regions: Annotated[str | None, Header()] = None,
    kinepose_deadline_ms: Annotated[str | None, Header()] = None,
) -> FrameReply:
    """Joints of one frame. A frame that is sent again gets the stored answer.

    What is said of it comes in the query, as fields of the form or in headers; the first of them holds.
    """
    arrived = asyncio.get_running_loop().time()
    with in_memory(services, caller, services.settings.max_image_bytes) as (picture, sink):
        form = await receive_file(request, sink)
        params = wire.FrameParams(
            seq=_first(seq, form.get("seq"), kinepose_seq),
            pts_us=_first(pts_us, form.get("pts_us"), kinepose_pts_us),
            region=_first(region, form.get("region"), kinepose_region),
            regions=_first(regions, form.get("regions"), kinepose_regions),
            deadline_ms=_first(deadline_ms, form.get("deadline_ms"), kinepose_deadline_ms),
        )
        number = wire.integer("seq", params.seq, low=0)
        if number is None:
            number = (await services.pipeline.sessions.info(session_id, caller=caller)).next_seq
        frame = wire.frame_from_params(session_id, number, picture.getvalue(), params, arrived)
        work = services.pipeline.frames.estimate(frame, transport="http", caller=caller)
        return frame_reply(await while_connected(request, work))


def _first(*values: str | None) -> str | None:
    return next((value for value in values if value), None)


# -- models -----------------------------------------------------------------------------------------------


@router.get("/models", tags=["models"], responses={200: openapi.answer("Cards.", openapi.MODELS)})
async def list_models(services: ServicesOf) -> ModelsReply:
    """The models that this server has, with what they were measured at."""
    card = services.pipeline.card
    return ModelsReply(models=[card], default=card.name)
