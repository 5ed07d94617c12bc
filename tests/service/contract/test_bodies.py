"""JSON bodies: the bytes that clients have always got, and schemas that tell all of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse

from service.contract import bodies, problem, wire
from tests.service.contract import examples

GOLDEN = Path(__file__).parent / "golden"
BODIES: dict[str, Any] = {
    **{f"result_{name}": wire.result_to_json(result) for name, result in examples.RESULTS.items()},
    **{f"session_{name}": bodies.SESSION.dump_python(value, mode="json") for name, value in examples.SESSIONS.items()},
    **{f"clip_{name}": wire.clip_to_json(clip) for name, clip in examples.CLIPS.items()},
    **{f"problem_{name}": problem.to_problem(error) for name, error in examples.ERRORS.items()},
    "models": bodies.ModelsReply(models=[examples.CARD], default="kimnet-lite").model_dump(mode="json"),
}


@pytest.mark.parametrize("name", BODIES)
def test_an_answer_is_byte_for_byte_what_it_was(name: str) -> None:
    """Order of members, digits of floats, letters beyond ASCII: as an answer, and as a line of NDJSON."""
    line = json.dumps(BODIES[name], separators=(",", ":"), allow_nan=False).encode()

    assert JSONResponse(BODIES[name]).body == (GOLDEN / f"{name}.json").read_bytes()
    assert line == (GOLDEN / f"{name}.ndjson").read_bytes()


def test_every_golden_answer_is_compared() -> None:
    """None lies there unread."""
    assert {path.stem for path in GOLDEN.iterdir()} == set(BODIES)
