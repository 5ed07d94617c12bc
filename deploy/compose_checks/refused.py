"""Without a key nobody gets in, by no door."""

from collections.abc import Callable

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from deploy.compose_checks.expect import TIMEOUT_S, Target, Wrong, expect
from deploy.compose_checks.frames import CLIP
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub


def refused(target: Target) -> None:
    """Without a key, and with a wrong one: nothing but health, the page and the document of the API."""
    for headers in ({}, {"Authorization": "Bearer kp_nobody_" + "x" * 43}):
        with httpx.Client(base_url=target.http, headers=headers, timeout=TIMEOUT_S) as client:
            for path in ("/v1/models", "/v1/sessions/x", "/v1/clips/x", "/metrics"):
                expect(client.get(path).status_code, 401, f"GET {path}")
            expect(client.post("/v1/sessions").status_code, 401, "POST /v1/sessions")
            expect(client.post("/v1/clips", content=CLIP.read_bytes()).status_code, 401, "POST /v1/clips")
            for path in ("/healthz", "/readyz", "/", "/openapi.json"):
                expect(client.get(path).status_code, 200, f"GET {path}")
        _websocket_refused(target, headers)
        _grpc_refused(target, tuple((name.lower(), value) for name, value in headers.items()))
    print("HTTP 401, WebSocket 401, gRPC UNAUTHENTICATED; health answers")


def _websocket_refused(target: Target, headers: dict[str, str]) -> None:
    try:
        with connect(target.websocket_url("x"), additional_headers=headers):
            raise Wrong("WebSocket: accepted")
    except InvalidStatus as error:
        expect(error.response.status_code, 401, "WebSocket")


def _grpc_refused(target: Target, metadata: tuple[tuple[str, str], ...]) -> None:
    with grpc.insecure_channel(target.grpc) as channel:
        service = PoseServiceStub(channel)
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        calls: dict[str, Callable[[], object]] = {
            "ListModels": lambda: service.ListModels(pb.ListModelsRequest(), metadata=metadata),
            "EstimateFrame": lambda: service.EstimateFrame(pb.Frame(), metadata=metadata),
            "StreamPose": lambda: list(service.StreamPose(iter([pb.Frame()]), metadata=metadata)),
            "reflection": lambda: list(reflection.ServerReflectionInfo(iter([asked]), metadata=metadata)),
        }
        for name, call in calls.items():
            expect(_status(call), grpc.StatusCode.UNAUTHENTICATED, f"gRPC {name}")
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)
        expect(answer.status, health_pb2.HealthCheckResponse.SERVING, "gRPC health")


def _status(call: Callable[[], object]) -> grpc.StatusCode:
    try:
        call()
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK
