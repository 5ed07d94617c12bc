"""Results for other tools: a data frame of pandas, keypoints of supervision. Neither is needed without."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from kinepose_client.messages import FrameResult, ImageResult

if TYPE_CHECKING:
    import pandas
    import supervision

COLUMNS = ("seq", "pts_us", "track_id", "person_score", "joint", "x", "y", "score")


def to_dataframe(results: Iterable[FrameResult]) -> "pandas.DataFrame":
    """One row a joint, of everybody in every frame; a frame with nobody in it, or that failed, has none.

    Columns: seq, pts_us (nullable integer), track_id, person_score, joint, x, y (pixels) and score. What
    `estimate_clip` returns can be given as it is. Raises ImportError without pandas.
    """
    import pandas

    frame = pandas.DataFrame(_rows(results), columns=list(COLUMNS))
    kinds = {"seq": "int64", "pts_us": "Int64", "track_id": "int64", "x": "float32", "y": "float32"}
    return frame.astype(kinds | {"score": "float32", "person_score": "float32", "joint": "str"})


def _rows(results: Iterable[FrameResult]) -> Iterator[tuple[Any, ...]]:
    for result in results:
        for person in result.people:
            head = (result.seq, result.pts_us, person.track_id, person.person_score)
            for name, (x, y), score in zip(result.joint_names, person.pose.xy_px, person.pose.score, strict=True):
                yield (*head, name, x, y, score)


def to_supervision(result: FrameResult | ImageResult) -> "supervision.KeyPoints":
    """Everybody in a frame or picture, with `data["tracker_id"]`. Raises ImportError without supervision (0.29 on)."""
    import supervision

    if not result.people:
        return supervision.KeyPoints.empty()
    return supervision.KeyPoints(
        xy=np.stack([person.pose.xy_px for person in result.people]),  # [N, K, 2]
        keypoint_confidence=np.stack([person.pose.score for person in result.people]),  # [N, K]
        detection_confidence=np.asarray([person.person_score for person in result.people], np.float32),  # [N]
        class_id=np.zeros(len(result.people), int),
        data={"tracker_id": np.asarray([person.track_id for person in result.people])},
    )
