"""What the routes get from the app they belong to, and from the call itself."""

from typing import Annotated

from fastapi import Depends
from starlette.requests import HTTPConnection

from service.auth.api_keys import Caller
from service.transports.http.auth import caller_of
from service.transports.http.relay import ClipRelay
from service.transports.services import Services


def services_of(connection: HTTPConnection) -> Services:
    """The parts that the app's lifespan opened."""
    services = connection.app.state.services
    assert isinstance(services, Services)
    return services


def clip_relay_of(connection: HTTPConnection) -> ClipRelay | None:
    """What asks other frontends for their clip jobs; None without Redis."""
    relay = connection.app.state.clip_relay
    assert relay is None or isinstance(relay, ClipRelay)
    return relay


ServicesOf = Annotated[Services, Depends(services_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
