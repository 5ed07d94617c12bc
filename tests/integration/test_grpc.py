"""The gRPC interface: calls, streams, health, reflection, error details."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc  # type: ignore[import-untyped]
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc  # type: ignore[import-untyped]

from kinepose_client import wire_json
from kinepose_client.pb import pose_pb2 as pb
from kinepose_client.pb.pose_pb2_grpc import PoseServiceStub
from service.contract import wire
from service.processes.frontend import RunningServer
from service.transports.grpc.servicer import NAME, SESSION_HEADER
from tests.support.server import AsyncStub, anonymous, chunks, each, grpc_status_and_error, into, jpegs, opened, sent

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_session_calls(stub: AsyncStub) -> None:
    """A session is created with its options, looked at, and closed."""
    options = pb.SessionOptions(drop_policy=pb.DROP_POLICY_DROP_LATEST, ttl_s=60)
    session = await stub.CreateSession(pb.CreateSessionRequest(options=options))

    seen = await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))
    assert (seen.next_seq, seen.options.drop_policy) == (0, pb.DROP_POLICY_DROP_LATEST)
    await stub.CloseSession(pb.CloseSessionRequest(session_id=session.session_id))
    with pytest.raises(grpc.RpcError) as caught:
        await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))
    assert grpc_status_and_error(caught.value)[1].code == "session_expired"


async def test_errors_carry_what_they_know(stub: AsyncStub) -> None:
    """ErrorInfo holds the code, the session and the seq that would have been right."""
    session = await stub.CreateSession(pb.CreateSessionRequest())

    with pytest.raises(grpc.RpcError) as caught:
        await stub.EstimateFrame(pb.Frame(session_id=session.session_id, seq=5, image=jpegs(1)[0]))
    _, error = grpc_status_and_error(caught.value)
    assert (error.session_id, error.seq, error.expected_seq) == (session.session_id, 5, 0)


async def test_a_stream_without_a_session_opens_one(stub: AsyncStub, http: httpx.AsyncClient) -> None:
    """Its id comes at once and in every result; the session ends with the stream."""
    call = stub.StreamPose(each(pb.Frame(image=image, pts_us=1000 * i) for i, image in enumerate(jpegs(3))))
    session_id = dict(await call.initial_metadata())[SESSION_HEADER]
    results = [result async for result in call]

    assert [(r.seq, r.pts_us, r.outcome) for r in results] == [
        (0, 0, pb.OUTCOME_OK),
        (1, 1000, pb.OUTCOME_OK),
        (2, 2000, pb.OUTCOME_OK),
    ]
    assert {r.session_id for r in results} == {session_id}
    assert (await http.get(f"/v1/sessions/{session_id!s}")).status_code == 410


async def test_a_stream_takes_up_a_session(stub: AsyncStub) -> None:
    """Frames by single calls and by a stream follow each other in one session, which outlives the stream."""
    first, second, third = jpegs(3)
    session = await stub.CreateSession(pb.CreateSessionRequest())
    await stub.EstimateFrame(pb.Frame(session_id=session.session_id, image=first))

    frames = [pb.Frame(session_id=session.session_id, image=second), pb.Frame(image=third)]
    results = [r async for r in stub.StreamPose(each(frames))]

    assert [r.seq for r in results] == [1, 2]
    assert (await stub.GetSession(pb.GetSessionRequest(session_id=session.session_id))).next_seq == 3


async def test_a_stream_answers_each_frame_before_the_next_is_sent(stub: AsyncStub) -> None:
    """A client that waits for every answer is not kept waiting for more frames."""
    answered = asyncio.Event()
    answered.set()

    async def one_by_one() -> AsyncIterator[pb.Frame]:
        for image in jpegs(3):
            await answered.wait()
            answered.clear()
            yield pb.Frame(image=image)

    seqs = []
    async for result in stub.StreamPose(one_by_one()):
        seqs.append(result.seq)
        answered.set()
    assert seqs == [0, 1, 2]


async def test_a_gap_in_a_stream_is_told_and_the_stream_lives(stub: AsyncStub) -> None:
    """The frame out of order gets its error; the right one after it is computed."""
    image = jpegs(1)[0]
    frames = [pb.Frame(seq=seq, image=image) for seq in (0, 7, 1)]

    results = [r async for r in stub.StreamPose(each(frames))]
    assert [(r.seq, r.error.code) for r in results] == [(0, ""), (7, "seq_out_of_order"), (1, "")]
    assert results[1].error.expected_seq == 1


async def test_an_empty_stream_is_no_error(stub: AsyncStub) -> None:
    """Nothing in, nothing out."""
    assert [r async for r in stub.StreamPose(each([]))] == []


async def test_a_frame_of_another_session_is_refused(stub: AsyncStub) -> None:
    """One stream carries one session."""
    image = jpegs(1)[0]
    frames = [pb.Frame(image=image), pb.Frame(session_id="another", image=image)]

    results = [r async for r in stub.StreamPose(each(frames))]
    assert sorted(r.error.code for r in results) == ["", "bad_request"]


async def test_a_clip_comes_back_as_frames_and_facts(stub: AsyncStub, clip: bytes) -> None:
    """A result a frame with the clip's own times, then one message with what is known of the clip."""
    options = pb.ClipOptions(region=pb.Region(x=10, y=10, w=40, h=50))
    *frames, last = [r async for r in stub.EstimateClip(each(chunks(clip, options=options)))]

    assert [r.pts_us for r in frames] == [40000 * index for index in range(10)]
    assert not any(r.HasField("clip") for r in frames)
    assert last.outcome == pb.OUTCOME_UNSPECIFIED
    assert (last.clip.frames_decoded, last.clip.frames_emitted, last.clip.codec) == (10, 10, "h264")


async def test_a_clip_above_the_limit_is_cut_short(tight_server: RunningServer) -> None:
    """The limit counts what arrives."""
    async with grpc.aio.insecure_channel(tight_server.grpc_target) as channel:
        stub: AsyncStub = PoseServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            await into([], stub.EstimateClip(each(chunks(bytes(2000), size=600))))
    status, error = grpc_status_and_error(caught.value)
    assert (status, error.code) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too_large")


async def test_models_are_listed(stub: AsyncStub) -> None:
    """As over HTTP: the card of what is served."""
    answer = await stub.ListModels(pb.ListModelsRequest())

    assert answer.default_model == "kimnet-lite"
    assert answer.models[0].skeleton == "kinepose13"
    assert dict(answer.models[0].pck) == {"jhmdb_test_person@0.2": 1.0}


async def test_health_serves_and_names_the_service(server: RunningServer) -> None:
    """Health v1 for the whole server and for PoseService; NOT_FOUND for what is not there."""
    async with grpc.aio.insecure_channel(server.grpc_target) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for name in ("", NAME):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            await health.Check(health_pb2.HealthCheckRequest(service="nothing"))
    assert grpc_status_and_error(caught.value)[0] == grpc.StatusCode.NOT_FOUND


async def test_reflection_names_the_service(server: RunningServer) -> None:
    """Tools find the contract without its file."""
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    async with grpc.aio.insecure_channel(server.grpc_target) as channel:
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        answer = await anext(aiter(reflection.ServerReflectionInfo(each([request]))))
    assert NAME in {service.name for service in answer.list_services_response.service}


async def test_http_and_grpc_give_the_same_joints(stub: AsyncStub, http: httpx.AsyncClient) -> None:
    """The transports differ in form only: JSON keeps every bit of a float32."""
    image = jpegs(1)[0]
    over_http = wire_json.result_from_json((await sent(http, await opened(http), image)).json())
    (over_grpc,) = [r async for r in stub.StreamPose(each([pb.Frame(image=image)]))]

    assert anonymous(wire.result_to_pb(over_http)) == anonymous(over_grpc)
