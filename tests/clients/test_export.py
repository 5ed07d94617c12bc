"""Results for other tools, read by these."""

import numpy as np
import pytest

from kinepose_client import FrameResult, ModelInfo, Outcome, Pose, to_dataframe, to_supervision
from kinepose_client.export import COLUMNS
from tests.support.people import person

MODEL = ModelInfo("kimnet-lite", "0.3.0", "0" * 64)
NAMES = ("head", "left_wrist")


def result(seq: int, pts_us: int | None, people: int) -> FrameResult:
    """A frame with so many people, each 100 pixels right of the last."""
    found = []
    for index in range(people):
        pose = Pose(np.asarray([[1.5 + 100 * index, 2], [3, 4]], np.float32), np.asarray([0.9, 0.25], np.float32))
        found.append(person(pose, track_id=index + 1))
    return FrameResult("s", seq, pts_us, Outcome.OK, MODEL, "two", NAMES if people else (), people=tuple(found))


RESULTS = [result(0, 0, 2), result(1, 40_000, 0), result(2, None, 1)]


def test_a_data_frame_has_a_row_a_joint() -> None:
    """Of everybody; a frame with nobody in it has none, and a time that is not known is missing, not 0."""
    table = to_dataframe(iter(RESULTS))

    assert tuple(table.columns) == COLUMNS
    assert len(table) == 2 * 2 + 0 + 1 * 2
    assert table.query("seq == 0 and joint == 'head'").x.tolist() == [1.5, 101.5]
    assert table.pts_us.isna().tolist() == [False] * 4 + [True] * 2
    assert table.pivot_table("score", "seq", "joint").loc[2].tolist() == [np.float32(0.9), np.float32(0.25)]


def test_a_data_frame_of_nothing_has_its_columns() -> None:
    """So that code after it needs no special case."""
    empty = to_dataframe([result(0, 0, 0)])

    assert tuple(empty.columns) == COLUMNS
    assert empty.dtypes.to_dict() == to_dataframe(RESULTS).dtypes.to_dict()


def test_supervision_gets_keypoints() -> None:
    """Positions, scores and numbers of everybody; none where nobody is."""
    supervision = pytest.importorskip("supervision")
    points = to_supervision(RESULTS[0])

    assert isinstance(points, supervision.KeyPoints)
    assert points.xy.tolist() == [[[1.5, 2], [3, 4]], [[101.5, 2], [3, 4]]]
    assert points.data["tracker_id"].tolist() == [1, 2]
    assert len(to_supervision(RESULTS[1])) == 0
