"""Calls from pages of other servers, where the settings name these (Cross-Origin Resource Sharing).

Their answers never count on cookies: a call brings its key, or none is wanted. Browsers let any page open a WebSocket
and read it, so there the server itself looks whose page it is.
"""

from collections.abc import Mapping
from typing import Final

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

from service.config import Settings

METHODS: Final = ("GET", "POST", "DELETE")
SENT: Final = (
    "Authorization",
    "Content-Type",
    "Kinepose-Deadline-Ms",
    "Kinepose-Pts-Us",
    "Kinepose-Region",
    "Kinepose-Regions",
    "Kinepose-Seq",
    "Prefer",
    "Traceparent",
    "X-Request-Id",
)
READ: Final = ("Location", "Preference-Applied", "Retry-After", "X-Request-Id")


def install(app: FastAPI, settings: Settings) -> None:
    """Answer preflight requests, and let scripts read answers; around the keys, which preflights do not bring."""
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.cors_origins,
            allow_methods=METHODS,
            allow_headers=SENT,
            expose_headers=READ,
        )


def may_connect(headers: Mapping[str, str], settings: Settings) -> bool:
    """Whether whoever sent these headers may open a WebSocket: no page, one of this server, or a named one."""
    origin = headers.get("origin")
    if origin is None or origin in settings.cors_origins or "*" in settings.cors_origins:
        return True
    return origin.partition("://")[2].lower() == headers.get("host", "").lower()
