"""Values whose JSON is kept, byte for byte, in `golden/`: with every member set, with none, and extreme floats."""

import numpy as np

from model.cards import ModelCard
from model.values import LostTrack, Person, Pose, Region, RegionSource
from service.contract.messages import (
    ClipGap,
    ClipInfo,
    DropPolicy,
    FrameResult,
    GapReason,
    ModelInfo,
    Outcome,
    SessionInfo,
    SessionOptions,
    Smoothing,
    TrackKinematics,
)
from service.errors import KineposeError, QueueFull, SeqOutOfOrder

MODEL = ModelInfo("kimnet-lite", "1.0", "ab" * 32)

XY = [[12.3, 0.1], [-0.0, 639.99994], [1e-5, 1e16], [3.4028235e38, 1.1754944e-38], [100.0, 16777216.0]]
SCORES = [0.9, 0.0, 1.2345e-5, 1.0, 0.33333334]
POSE = Pose(np.asarray(XY, np.float32), np.asarray(SCORES, np.float32))
NAMES = ("head", "left_wrist", "tête", "右", 'a"b\\c\u2028')

RESULTS = {
    "ok": FrameResult(
        session_id="5f0c",
        seq=7,
        pts_us=-40000,
        outcome=Outcome.OK,
        model=MODEL,
        skeleton="kinepose13",
        joint_names=NAMES,
        image_size=(640, 360),
        rotation_applied=90,
        people=(
            Person(1, 0.9700000286102295, Region(10.0, 20.5, 1e-5, 1e16), RegionSource.TRACKED, POSE),
            Person(4, 1.0, Region(-0.5, 0.0, 1.0, 2.0), RegionSource.SEARCHED, POSE),
        ),
        lost=(LostTrack(3, Region(1.0, 2.0, 3.0, 4.25)),),
        kinematics=(TrackKinematics(1, {"head_x_filtered": 12.25, "head_y_filtered": 0.1}), TrackKinematics(4, {})),
    ),
    "ok_bare": FrameResult(
        session_id="é",
        seq=2**63 - 1,
        pts_us=None,
        outcome=Outcome.OK,
        model=MODEL,
        skeleton="some",
        joint_names=("head",),
    ),
    "error": FrameResult(
        "5f0c", 9, 1, Outcome.ERROR, MODEL, "some", (), error_code="seq_out_of_order", error_detail="é", expected_seq=7
    ),
    "dropped": FrameResult(
        "5f0c", 3, None, Outcome.DROPPED, MODEL, "some", (), error_code="frame_dropped", error_detail="left out"
    ),
    "expired_bare": FrameResult("5f0c", 3, None, Outcome.EXPIRED, MODEL, "some", ()),
}

SESSIONS = {
    "full": SessionInfo(
        "5f0c", 3, 299.5, MODEL, SessionOptions("kimnet-lite", DropPolicy.DROP_OLDEST, 60.0, 3, Smoothing.ONE_EURO)
    ),
    "bare": SessionInfo("é", 0, 1e-5, MODEL),
}

CLIPS = {
    "full": ClipInfo(
        48,
        47,
        46,
        1920000,
        "h264",
        start_us=5_400_000_000,
        pixel_aspect=1.4545454545454546,
        gaps=(ClipGap(None, 0, GapReason.DAMAGED), ClipGap(45, 1840000, GapReason.CUT_OFF)),
    ),
    "bare": ClipInfo(None, 0, 0, None, "vp9"),
}

CARD = ModelCard(
    name="kimnet-lite",
    version="1",
    sha256="ab" * 32,
    skeleton="some",
    input_size=256,
    gflop=1.25,
    parameters=4_000_000,
    licence="Apache-2.0",
    data="People.",
    data_licences={"LSP": "research"},
    split="kinepose",
    command="train",
    pck={"jhmdb_test_person@0.2": 85.5},
    pck_per_joint={"jhmdb_test_person@0.2": {"head": 97.0}},
    notes="None.",
)

ERRORS: dict[str, KineposeError] = {
    "full": SeqOutOfOrder("expected 7, got 9: é", "s1", 9, 7),
    "retry": QueueFull("full", retry_after_ms=1500),
    "bare": KineposeError("a bug"),
}
