"""HTTP routes for those who run a server or a worker: is it alive, is it ready, how does it do."""

from typing import Annotated, Protocol

from fastapi import APIRouter, Depends
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import HTTPConnection

from service.auth.access import Quota, check_operator
from service.auth.api_keys import KeyRing
from service.contract.bodies import StatusReply
from service.errors import WorkerFailed
from service.observability.metrics import Metrics
from service.pipeline.lifecycle import Lifecycle
from service.transports.http import openapi
from service.transports.http.auth import caller_of

RETRY_AFTER_MS = 1000

router = APIRouter(tags=["operation"], responses=openapi.PROBLEMS)


class Probed(Protocol):
    """What the routes need of a process; it is `app.state.probed` while the app's lifespan lasts.

    Attributes:
        lifecycle: whether it serves.
        keys: who may call.
        calls: under way.
        metrics: of the process; operators see them.
    """

    @property
    def lifecycle(self) -> Lifecycle: ...
    @property
    def keys(self) -> KeyRing: ...
    @property
    def calls(self) -> Quota: ...
    @property
    def metrics(self) -> Metrics: ...


def _probed_of(connection: HTTPConnection) -> Probed:
    probed: Probed = connection.app.state.probed
    return probed


ProbedOf = Annotated[Probed, Depends(_probed_of)]


@router.get("/healthz")
async def healthz(probed: ProbedOf) -> StatusReply:
    """200 while the process should be left running."""
    if not probed.lifecycle.live():
        raise WorkerFailed("the worker has stopped; this process does not recover")
    return StatusReply(status="ok")


@router.get("/readyz")
async def readyz(probed: ProbedOf) -> StatusReply:
    """200 when frames are computed: a forward pass has just succeeded; 503 while starting, draining or broken.

    507 without disk space for clips.
    """
    probed.lifecycle.check_serving()
    probed.lifecycle.check_resources()
    if not await probed.lifecycle.ready():
        raise WorkerFailed("no forward pass succeeds", retry_after_ms=RETRY_AFTER_MS)
    return StatusReply(status="ready")


@router.get("/metrics", response_class=PlainTextResponse, dependencies=[Depends(openapi.BEARER)])
async def metrics(connection: HTTPConnection, probed: ProbedOf) -> Response:
    """Prometheus metrics, for operators' keys."""
    check_operator(caller_of(connection), probed.metrics)
    return Response(generate_latest(probed.metrics.registry), media_type=CONTENT_TYPE_LATEST)
