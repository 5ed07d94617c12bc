"""Messages: of WebSockets and gRPC, JSON bodies, values of queries, and what processes that read clips answer."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import msgspec
from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.frames import Frame as WebSocketFrame
from websockets.frames import Opcode
from websockets.streams import StreamReader

from kinepose_client import wire_errors, wire_pb
from kinepose_client.pb import pose_pb2 as pb
from model.values import Region
from service.contract import problem, regions, wire
from service.contract.messages import EncodedFrame, GapReason
from service.errors import BadRegion, BadRequest, KineposeError, TooLarge
from service.media.reader_messages import (
    Answer,
    Draw,
    Drawn,
    End,
    Facts,
    Failed,
    Next,
    Open,
    Picture,
    answer_of,
    gaps_of_message,
    gaps_to_message,
)
from service.transports.grpc.servicer import _clip_options
from service.transports.http import websocket
from service.transports.http.websocket_protocol import FrameHeaders

INT64: Final = 2**63
ENCODER: Final = msgspec.msgpack.Encoder()

# -- WebSocket --------------------------------------------------------------------------------------------


def check_websocket_text(data: bytes) -> None:
    """An error that can be told, or what is said of the next frame; that frame can be sent on."""
    said = websocket._parsed(data.decode("utf-8", "ignore"))
    if isinstance(said, KineposeError):
        assert isinstance(said, BadRequest | BadRegion | TooLarge), said
        check_told(said)
    else:
        seq = wire.integer("seq", said.seq)
        check_frame(wire.frame_from_params("s", seq or 0, b"", said, 0.0))


def check_told(error: KineposeError) -> None:
    """As JSON and as a gRPC status, and read back the same."""
    told = json.loads(websocket._text(problem.to_problem(error)))
    assert wire_errors.from_problem(told).detail == error.detail
    status = wire_errors.from_status(problem.to_status(error).SerializeToString())
    assert status is not None
    assert (type(status), status.detail) == (type(error), error.detail)


def check_frame(frame: EncodedFrame) -> None:
    """Numbers that the store and the wire can carry."""
    assert 0 <= frame.seq < 2**64
    assert frame.pts_us is None or -INT64 <= frame.pts_us < INT64
    assert frame.deadline is None or 0 <= frame.deadline < math.inf
    for region in frame.regions:
        check_region(region)


def check_region(region: Region) -> None:
    """Its middle is a number; it goes over the wire."""
    assert all(map(math.isfinite, region.center)), region
    assert wire_pb.region_from_pb(wire_pb.region_to_pb(region)) == region


def check_websocket_frames(data: bytes) -> None:
    """Headers come out the same however the bytes are cut; no text that the library takes is longer than they say."""
    whole, pieces = FrameHeaders(), FrameHeaders()
    opcodes = whole.feed(data)
    step = 1 + len(data) % 7
    found = [opcode for at in range(0, len(data), step) for opcode in pieces.feed(data[at : at + step])]
    assert (found, pieces.text_bytes) == (opcodes, whole.text_bytes)
    taken = library_frames(data)
    assert opcodes[: len(taken)] == [frame.opcode for frame in taken]
    texts = [len(frame.data) for frame in taken if frame.opcode is Opcode.TEXT]
    assert whole.text_bytes >= max(texts, default=0)


def library_frames(data: bytes) -> list[WebSocketFrame]:
    """What the library that reads them makes of the same bytes, up to the first that it refuses."""
    reader, frames = StreamReader(), list[WebSocketFrame]()
    reader.feed_data(data)
    with suppress(ProtocolError, PayloadTooBig):
        while True:
            parsing = WebSocketFrame.parse(reader.read_exact, mask=True, max_size=1 << 20)
            try:
                next(parsing)
            except StopIteration as done:
                frames.append(done.value)
            else:
                break
    return frames


# -- gRPC, JSON, text -------------------------------------------------------------------------------------


def check_grpc(data: bytes) -> None:
    """A message of each kind that a client sends: refused, or values that the pipeline can take."""
    for parse, use in _MESSAGES:
        try:
            use(wire.parsed(data, parse))
        except (BadRequest, BadRegion) as error:
            check_told(error)


def _use_frame(message: pb.Frame) -> None:
    check_frame(wire.frame_from_pb(message, "s", message.seq, 0.0, None))


def _use_options(message: pb.CreateSessionRequest) -> None:
    options = wire.options_from_pb(message.options)
    assert wire.options_from_pb(wire_pb.options_to_pb(options)) == options


def _use_chunk(message: pb.Chunk) -> None:
    if message.HasField("options"):
        options = _clip_options(message.options)
        for region in options.regions:
            check_region(region)


_MESSAGES: tuple[tuple[Callable[[bytes], Any], Callable[[Any], None]], ...] = (
    (pb.Frame.FromString, _use_frame),
    (pb.CreateSessionRequest.FromString, _use_options),
    (pb.Chunk.FromString, _use_chunk),
)


def check_parameters(data: bytes) -> None:
    """Session options in a body; a number, a region and a flag in a query: refused in words, or within their ranges."""
    text = data.decode("utf-8", "surrogateescape")
    for read in (_read_options, _read_integer, _read_region, _read_flag):
        try:
            read(data, text)
        except (BadRequest, BadRegion) as error:
            check_told(error)


def _read_options(data: bytes, _: str) -> None:
    ttl_s = wire.options_from_json(data).ttl_s
    assert ttl_s is None or 0 < ttl_s < math.inf


def _read_integer(_: bytes, text: str) -> None:
    number = wire.integer("pts_us", text)
    assert number is None or -INT64 <= number < INT64


def _read_region(_: bytes, text: str) -> None:
    region = regions.region_from_text(text)
    if region is not None:
        check_region(region)


def _read_flag(_: bytes, text: str) -> None:
    assert wire.flag("strict", text) in (True, False)


# -- a reading process of clips -------------------------------------------------------------------------------


def check_reader_answer(data: bytes) -> None:
    """What a process that may be taken over by a clip says is refused, or has sizes, times and reasons."""
    for request in (Open("/clip", 1.0, 1, 1, False), Next(0), Draw("/clip", "/results", "/drawing", 1.0, 1, 1)):
        try:
            answer = answer_of(data, request)
        except ValueError:
            continue
        assert answer_of(ENCODER.encode(answer), request) == answer
        _check_answer(answer)


def _check_answer(answer: Answer) -> None:
    if isinstance(answer, Facts):
        assert min(answer.shape().frame_size) >= 1
        assert answer.rate is None or min(answer.rate) > 0
    elif isinstance(answer, Failed):
        check_told(wire_errors.error_of(answer.code, answer.detail))
    elif isinstance(answer, Picture | End) and answer.gaps is not None:
        assert gaps_to_message(gaps_of_message(answer.gaps)) == answer.gaps


# -- seeds ------------------------------------------------------------------------------------------------


def texts() -> list[bytes]:
    """What a client may say of its next frame, and a few things that it may not."""
    said: list[Any] = [
        {"seq": 7, "pts_us": 280000, "region": [1, 2.5, 30, 40], "deadline_ms": 100},
        {"region": "1,2,3,4"},
        {"seq": None},
        {"end": True},
        {"seq": 1e300},
        {"deadline_ms": "12"},
        [[]],
    ]
    return [json.dumps(one).encode() for one in said] + [
        b'{"seq": "\\ud83d"}',
        b'{"\\ud83d": NaN}',
        b'{"pts_us": 1e999}',
    ]


def websocket_frames() -> list[bytes]:
    """Texts, pictures, pings, pieces."""
    made = [
        WebSocketFrame(Opcode.TEXT, b'{"seq": 1}'),
        WebSocketFrame(Opcode.BINARY, bytes(200)),
        WebSocketFrame(Opcode.PING, b"x"),
        WebSocketFrame(Opcode.TEXT, b"a", fin=False),
        WebSocketFrame(Opcode.CONT, b"b" * 70_000),
        WebSocketFrame(Opcode.CLOSE, b"\x03\xe8"),
    ]
    sent = [frame.serialize(mask=True) for frame in made]
    return [*sent[:4], b"".join(sent[:3]), b"".join([sent[3], sent[2], sent[4][:300]]), sent[5]]


def grpc_messages() -> list[bytes]:
    """Of each kind."""
    region = pb.Region(x=1, y=2, w=3, h=4)
    options = pb.SessionOptions(model="kimnet", drop_policy=pb.DROP_POLICY_DROP_OLDEST, ttl_s=9.5, max_people=3)
    several = pb.Frame(session_id="s", image=b"\xff\xd8", regions=[region, region])
    frame = pb.Frame(session_id="s", seq=3, image=b"\xff\xd8", pts_us=-5, region=region, deadline_ms=40)
    clip = pb.ClipOptions(model="kimnet", region=region, strict=True)
    messages = (
        frame,
        several,
        pb.Frame(options=options),
        pb.CreateSessionRequest(options=options),
        pb.Chunk(options=clip),
    )
    return [message.SerializeToString() for message in messages] + [pb.Chunk(data=b"abc").SerializeToString()]


def parameters() -> list[bytes]:
    """Bodies and values of queries."""
    return [
        b'{"model": "kimnet", "drop_policy": "wait", "ttl_s": 9.5}',
        b'{"ttl_s": 1e999}',
        b"{}",
        b"-12",
        b"1,2,3.5,4e2",
        b"nan,1,1,1",
        b"true",
        b"No",
    ]


def reader_answers() -> list[bytes]:
    """All that a process may say."""
    answers = (
        Facts("h264", 10, 400_000, (25, 1), (64, 48), (1, 1), 90, True),
        Facts("vp9", None, None, None, (64, 48), (16, 15), 0, False),
        Picture(40_000, 400_000, 0, None),
        Picture(40_000, None, 0, [(3, 160_000, GapReason.DAMAGED), (None, 0, GapReason.CUT_OFF)]),
        End(400_000, -5, [(3, 160_000, GapReason.SIZE_CHANGED)]),
        Drawn(),
        Failed("bad_clip", "the clip is damaged"),
    )
    return [ENCODER.encode(answer) for answer in answers]
