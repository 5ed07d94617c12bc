"""HTTP route of pictures that belong to no video."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from service.contract import wire
from service.contract.bodies import ImageReply
from service.contract.messages import SessionOptions
from service.pipeline.pictures import estimate_picture
from service.transports.http import openapi
from service.transports.http.connection import while_connected
from service.transports.http.dependencies import CallerOf, ServicesOf
from service.transports.http.uploads import in_memory, receive_file

router = APIRouter(
    prefix="/v1/images", tags=["images"], dependencies=[Depends(openapi.BEARER)], responses=openapi.PROBLEMS
)


@router.post(
    "",
    openapi_extra=openapi.file_body(
        openapi.PICTURES,
        "The picture.",
        region="string",
        regions="string",
        max_people="integer",
        model="string",
        deadline_ms="integer",
    ),
    responses={200: openapi.answer("Who is there, in pixels of the picture.", openapi.IMAGE)},
)
async def post_image(
    request: Request,
    services: ServicesOf,
    caller: CallerOf,
    region: Annotated[str | None, Query(description="x,y,w,h: the person's own box, pixels.")] = None,
    regions: Annotated[str | None, Query(description="x,y,w,h;x,y,w,h: several people's, by number.")] = None,
    max_people: Annotated[str | None, Query(description="How many people are read; default: 1.")] = None,
    model: Annotated[str | None, Query(description="A name from GET /v1/models.")] = None,
    deadline_ms: Annotated[str | None, Query(description="Milliseconds after which nobody waits.")] = None,
) -> ImageReply:
    """Joints of the people in one picture. Nothing of it is kept.

    What is said of it comes in the query or as fields of the form; the first of them holds.
    """
    arrived = asyncio.get_running_loop().time()
    said = {"region": region, "regions": regions, "max_people": max_people, "model": model, "deadline_ms": deadline_ms}
    with in_memory(services, caller, services.settings.max_image_bytes) as (picture, sink):
        form = await receive_file(request, sink)
        said = {name: value or form.get(name) for name, value in said.items()}
        options = SessionOptions(said["model"] or None, max_people=wire.max_people(said["max_people"]))
        params = wire.FrameParams(region=said["region"], regions=said["regions"], deadline_ms=said["deadline_ms"])
        frame = wire.frame_from_params("", 0, picture.getvalue(), params, arrived)
        work = estimate_picture(
            services.pipeline, frame.image, options, frame.regions, deadline=frame.deadline, caller=caller
        )
        return ImageReply.of(await while_connected(request, work))
