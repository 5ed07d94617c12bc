"""What must come back, and where from."""

from dataclasses import dataclass
from pathlib import Path

from kinepose_client import Client

TIMEOUT_S = 30.0


class Wrong(Exception):
    """The service answered otherwise than it should."""


def expect(found: object, wanted: object, where: str) -> None:
    """Wrong where they differ."""
    if found != wanted:
        raise Wrong(f"{where}: {found!r} instead of {wanted!r}")


@dataclass(frozen=True)
class Target:
    """Where the service is, and who calls.

    Attributes:
        http, grpc: such as "http://127.0.0.1:8000" and "127.0.0.1:50051".
        key: an API key.
        joints: the file of the unbroken run's joints, float32 [T, K, 2] (.npy).
    """

    http: str
    grpc: str
    key: str
    joints: Path

    @property
    def headers(self) -> dict[str, str]:
        """Of HTTP."""
        return {"Authorization": f"Bearer {self.key}"}

    def client(self) -> Client:
        """One that calls over HTTP and streams over gRPC."""
        return Client(self.http, self.grpc, timeout_s=TIMEOUT_S, api_key=self.key)

    def websocket_url(self, session_id: str) -> str:
        """Of a session's stream."""
        return f"{self.http.replace('http', 'ws', 1)}/v1/sessions/{session_id}/stream"
