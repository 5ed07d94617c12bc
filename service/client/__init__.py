"""The typed client: `Client` blocks, `AsyncClient` awaits; both speak HTTP and gRPC. Neither loads torch.

    with Client(http_url="http://127.0.0.1:8000") as client:
        for result in client.estimate_clip(Path("clip.mp4")):
            for person in result.people:
                print(result.pts_us, person.track_id, person.pose.xy_px)

Where the server has API keys, give `api_key=`. Errors that the server tells are the classes of `service.errors`; a
server that cannot be reached, or that breaks a connection, is `Unreachable`.
"""

from service.client.calls import AsyncClipResults, ClipResults, Picture, Unreachable
from service.client.client import AsyncClient, Client

__all__ = ["AsyncClient", "AsyncClipResults", "Client", "ClipResults", "Picture", "Unreachable"]
