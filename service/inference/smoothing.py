"""A session's joints made smooth where it wants that: the filters go on from its state and are part of the next one.

So whoever continues the session continues them, and a frame that comes to nothing leaves them as they were (ADR 18).
"""

from dataclasses import replace

from model.skeletons import Skeleton
from model.state import FilterState, SessionState
from service.contract.messages import FrameResult, Smoothing
from service.kinematics.filters import OneEuro
from service.kinematics.process import FrameByFrame, Wanted


def smoothed(
    result: FrameResult, before: SessionState | None, after: SessionState, skeleton: Skeleton, smoothing: Smoothing
) -> tuple[FrameResult, SessionState]:
    """The answer with smooth joints beside the raw ones, and the state with what the next frame goes on from.

    Args:
        result: of the frame.
        before: what the frame started from; the filters of a state that the tracker could not go on from are left out.
        after: what the tracker left behind.
    """
    known = before.filters if before is not None and before.model == after.model else ()
    filters = {state.track_id: _resumed(state) for state in known}
    step = FrameByFrame(skeleton, Wanted(smooth=smoothing.value), filters=filters)
    made = step(result).at(0)
    kept = tuple(_kept(track_id, one) for track_id, one in step.filters.items())
    return replace(result, kinematics=made), replace(after, filters=kept)


def _resumed(state: FilterState) -> OneEuro:
    one = OneEuro()
    one.last = state.time_s, state.xy[None], state.speed[None]  # [1, K, 2]: one frame
    return one


def _kept(track_id: int, one: OneEuro) -> FilterState:
    assert one.last is not None  # It has had a value.
    time_s, xy, speed = one.last
    return FilterState(track_id, time_s, xy[0], speed[0])
