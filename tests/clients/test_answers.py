"""How the Python client reads what a server, or something in its place, answers."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from kinepose_client import KineposeError, http_form, wire_json
from service.contract import bodies, wire
from tests.service.contract import examples
from tests.support.stores import same

NEW = {"invented_later": [1, {"x": 2}]}


def newer(value: Any) -> Any:
    """JSON of a newer server: every object has a member more."""
    if isinstance(value, dict):
        return {name: newer(member) for name, member in value.items()} | NEW
    return [newer(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("name", examples.RESULTS)
def test_members_of_a_newer_server_are_passed_over_in_results(name: str) -> None:
    """At any depth."""
    result = examples.RESULTS[name]
    if not result.people:
        result = replace(result, joint_names=())  # joints are named in people alone
    assert same(wire_json.result_from_json(newer(wire.result_to_json(result))), result)


def test_members_of_a_newer_server_are_passed_over_in_the_rest() -> None:
    """Sessions, clips; cards, whose tables may have any names."""
    for session in examples.SESSIONS.values():
        assert wire_json.session_from_json(newer(bodies.SESSION.dump_python(session, mode="json"))) == session
    for clip in examples.CLIPS.values():
        assert wire_json.clip_from_json(newer(wire.clip_to_json(clip))) == clip
    card = bodies.ModelsReply(models=[examples.CARD], default="x").model_dump(mode="json")["models"][0]
    assert wire_json.card_from_json(card | NEW) == examples.CARD


@pytest.mark.parametrize("body", ["<html>Welcome</html>", "[]", "{}", "null", '{"models": [{}]}', ""])
def test_what_is_no_answer_of_ours_is_an_error_of_ours(body: str) -> None:
    """A proxy's page with status 200, say."""
    with pytest.raises(KineposeError, match="none of Kinepose's"):
        http_form.answer(httpx.Response(200, text=body), http_form.models)
    with pytest.raises(KineposeError, match="none of Kinepose's"):
        http_form.clip_line(body)
