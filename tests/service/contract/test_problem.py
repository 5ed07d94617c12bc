"""Errors arrive as what they were, over HTTP and over gRPC."""

import pytest
from google.rpc.status_pb2 import Status  # type: ignore[import-untyped]

from kinepose_client import wire_errors
from service.contract import problem
from service.errors import BY_CODE, DeviceLost, KineposeError, QueueFull, SeqOutOfOrder, SessionExpired, WorkerFailed

ERRORS = [
    SeqOutOfOrder("expected 7, got 9", "s1", 9, 7),
    QueueFull("full", retry_after_ms=1500),
    SessionExpired("over", session_id="s2"),
    KineposeError("a bug"),
]


def members(error: KineposeError) -> tuple[object, ...]:
    """All that an error tells."""
    context = (getattr(error, name) for name in wire_errors.CONTEXT)
    return type(error), error.detail, *context


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_survives_problem_json(error: KineposeError) -> None:
    """Class, words and context come back."""
    assert members(wire_errors.from_problem(problem.to_problem(error))) == members(error)


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_an_error_survives_google_rpc_status(error: KineposeError) -> None:
    """Class, words and context come back."""
    found = wire_errors.from_status(problem.to_status(error).SerializeToString())

    assert found is not None
    assert members(found) == members(error)


def test_every_error_has_a_code_of_its_own() -> None:
    """The code tells the class: no two share one."""
    assert list(BY_CODE.values()) == KineposeError.__subclasses__()


def test_a_lost_device_is_told_as_what_clients_know() -> None:
    """A class below another is for the inside: it has that one's code, which tells of that one."""
    error = wire_errors.from_problem(problem.to_problem(DeviceLost("gone")))
    assert type(error) is WorkerFailed


def test_a_code_from_the_future_is_still_an_error() -> None:
    """A newer server's code becomes the base class with its words."""
    error = wire_errors.from_problem({"code": "eclipsed", "detail": "The sun is gone."})

    assert (type(error), error.detail) == (KineposeError, "The sun is gone.")


def test_a_status_of_somebody_else_is_none_of_ours() -> None:
    """Without our ErrorInfo there is nothing to read."""
    assert wire_errors.from_status(Status(code=5, message="not here").SerializeToString()) is None


def test_unknown_members_are_left_out_of_a_problem() -> None:
    """No nulls: what is not known is not there."""
    assert set(problem.to_problem(KineposeError("x"))) == {"type", "title", "status", "detail", "code"}
