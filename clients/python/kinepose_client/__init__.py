"""The typed client of Kinepose: `Client` blocks, `AsyncClient` awaits; both speak HTTP and gRPC.

    with Client(http_url="http://127.0.0.1:8000") as client:
        for result in client.estimate_clip("clip.mp4"):
            for person in result.people:
                print(result.pts_us, person.track_id, person.pose.xy_px)

Where the server has API keys, give `api_key=`. Errors that the server reports are the classes of
`kinepose_client.errors`; a server that cannot be reached, or that breaks a connection, is `Unreachable`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kinepose_client.async_client import AsyncClient
    from kinepose_client.calls import AsyncClipResults, ClipResults, Picture, Progress, Unreachable
    from kinepose_client.cards import ModelCard
    from kinepose_client.client import Client
    from kinepose_client.errors import KineposeError
    from kinepose_client.export import to_dataframe, to_supervision
    from kinepose_client.messages import (
        ClipGap,
        ClipInfo,
        ClipJob,
        DropPolicy,
        FrameResult,
        GapReason,
        ImageResult,
        ModelInfo,
        Outcome,
        SessionInfo,
        SessionOptions,
        Smoothing,
        TrackKinematics,
    )
    from kinepose_client.values import LostTrack, Person, Pose, Region, RegionSource

_MODULES = {
    "async_client": ("AsyncClient",),
    "calls": ("AsyncClipResults", "ClipResults", "Picture", "Progress", "Unreachable"),
    "cards": ("ModelCard",),
    "client": ("Client",),
    "errors": ("KineposeError",),
    "export": ("to_dataframe", "to_supervision"),
    "messages": (
        "ClipGap",
        "ClipInfo",
        "ClipJob",
        "DropPolicy",
        "FrameResult",
        "GapReason",
        "ImageResult",
        "ModelInfo",
        "Outcome",
        "SessionInfo",
        "SessionOptions",
        "Smoothing",
        "TrackKinematics",
    ),
    "values": ("LostTrack", "Person", "Pose", "Region", "RegionSource"),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "AsyncClient",
    "AsyncClipResults",
    "Client",
    "ClipGap",
    "ClipInfo",
    "ClipJob",
    "ClipResults",
    "DropPolicy",
    "FrameResult",
    "GapReason",
    "ImageResult",
    "KineposeError",
    "LostTrack",
    "ModelCard",
    "ModelInfo",
    "Outcome",
    "Person",
    "Picture",
    "Pose",
    "Progress",
    "Region",
    "RegionSource",
    "SessionInfo",
    "SessionOptions",
    "Smoothing",
    "TrackKinematics",
    "Unreachable",
    "to_dataframe",
    "to_supervision",
]


def __getattr__(name: str) -> Any:
    # On demand: who needs values alone (the model does) loads neither httpx nor grpc.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
