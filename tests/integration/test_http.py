"""The HTTP interface: sessions, frames, limits, errors, operation."""

import gzip
import json
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter
from starlette.responses import JSONResponse

from model.skeletons import KINEPOSE_13
from service.contract import bodies
from service.contract.messages import SessionInfo
from service.contract.problem import Problem
from service.processes.frontend import RunningServer
from service.transports.http import openapi
from service.transports.http.server import StartFailed
from tests.support.server import free_ports, jpegs, opened, sent, status_and_code

pytestmark = pytest.mark.asyncio(loop_scope="session")

GOLDEN = Path(__file__).parents[1] / "service/contract/golden"
REPLY = {
    "session_id",
    "seq",
    "pts_us",
    "outcome",
    "image_size",
    "rotation_applied",
    "skeleton",
    "score_kind",
    "people",
    "lost",
    "model",
}
PERSON = {"track_id", "person_score", "region", "region_source", "joints"}


async def pieces(count: int, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    """A body without Content-Length."""
    for _ in range(count):
        yield bytes(size)


async def test_a_session_is_opened_looked_at_and_closed(http: httpx.AsyncClient) -> None:
    """Location leads to the session; once closed it is gone."""
    answer = await http.post("/v1/sessions", json={"ttl_s": 60, "drop_policy": "drop_oldest"})
    location = answer.headers["location"]

    assert answer.status_code == 201
    assert (await http.get(location)).json()["options"]["drop_policy"] == "drop_oldest"
    assert (await http.delete(location)).json()["next_seq"] == 0
    assert status_and_code(await http.get(location)) == (410, "session_expired")


async def test_a_session_follows_several_people_by_their_regions(http: httpx.AsyncClient) -> None:
    """Up to the server's limit, and no more regions than people."""
    session_id = (await http.post("/v1/sessions", json={"max_people": 2})).json()["session_id"]
    boxes = [[10.0, 10.0, 30.0, 40.0], [50.0, 20.0, 30.0, 40.0]]
    said = ";".join(",".join(map(str, box)) for box in boxes)

    people = (await sent(http, session_id, jpegs(1)[0], regions=said)).json()["people"]

    assert [(person["track_id"], person["region"]) for person in people] == list(enumerate(boxes, 1))
    assert status_and_code(await sent(http, session_id, jpegs(1)[0], regions=f"{said};1,1,9,9")) == (422, "bad_region")
    assert status_and_code(await http.post("/v1/sessions", json={"max_people": 7})) == (422, "too_many_people")
    assert status_and_code(await http.post("/v1/sessions", json={"max_people": 0})) == (422, "bad_request")


@pytest.mark.parametrize(
    "body", ["[]", "{", '{"drop_policy": "perhaps"}', '{"ttl_s": -1}', '{"ttl_s": true}', '{"colour": 1}']
)
async def test_session_options_that_make_no_sense_are_refused(body: str, http: httpx.AsyncClient) -> None:
    """No JSON, no object, values out of range, names that nobody knows."""
    assert status_and_code(await http.post("/v1/sessions", content=body)) == (422, "bad_request")


async def test_an_unknown_model_is_refused(http: httpx.AsyncClient) -> None:
    """A session asks for a model that is not served here."""
    assert status_and_code(await http.post("/v1/sessions", json={"model": "gpt"})) == (422, "model_unknown")


async def test_a_reply_describes_itself(http: httpx.AsyncClient) -> None:
    """A frame's answer names its units' frame of reference, skeleton, score kind and weights."""
    session_id = await opened(http)
    reply = (await sent(http, session_id, jpegs(1)[0], pts_us=40000, region="10,10,40,50")).json()

    assert set(reply) == REPLY
    assert (reply["seq"], reply["pts_us"], reply["outcome"]) == (0, 40000, "ok")
    assert reply["image_size"] == [96, 72]
    assert reply["lost"] == []
    [person] = reply["people"]
    assert set(person) == PERSON
    assert (person["track_id"], person["region"], person["region_source"]) == (1, [10, 10, 40, 50], "given")
    assert 0.5 <= person["person_score"] <= 1
    assert len(person["joints"]) == 13
    assert all(set(joint) == {"name", "x", "y", "score"} for joint in person["joints"])
    assert set(reply["model"]) == {"name", "version", "sha256"}


async def test_what_is_said_of_a_frame_may_come_in_headers_or_a_form(http: httpx.AsyncClient) -> None:
    """Query, headers and multipart fields say the same thing."""
    image = jpegs(1)[0]
    headers = {"Kinepose-Seq": "0", "Kinepose-Pts-Us": "7", "Kinepose-Region": "10,10,40,50"}
    form = {"seq": "0", "pts_us": "7", "region": "10,10,40,50"}

    in_query = await sent(http, await opened(http), image, **form)
    in_headers = await http.post(f"/v1/sessions/{await opened(http)}/frames", content=image, headers=headers)
    in_form = await http.post(
        f"/v1/sessions/{await opened(http)}/frames", data=form, files={"file": ("f.jpg", image, "image/jpeg")}
    )

    replies = [answer.json() | {"session_id": ""} for answer in (in_query, in_headers, in_form)]
    assert replies[0]["outcome"] == "ok"
    assert replies[0] == replies[1] == replies[2]


@pytest.mark.parametrize("params", [{"seq": "-1"}, {"seq": "1.5"}, {"pts_us": "soon"}, {"deadline_ms": "-3"}])
async def test_numbers_that_are_none_are_refused(params: dict[str, str], http: httpx.AsyncClient) -> None:
    """Parameters are parsed at the edge, before anything is computed."""
    session_id = await opened(http)

    assert status_and_code(await sent(http, session_id, jpegs(1)[0], **params)) == (422, "bad_request")


async def test_a_body_above_the_limit_is_cut_short(http: httpx.AsyncClient, server: RunningServer) -> None:
    """With or without Content-Length, the limit holds, and the connection goes on."""
    session_id = await opened(http)
    url = f"/v1/sessions/{session_id}/frames"
    above = server.settings.max_image_bytes + 1

    assert status_and_code(await http.post(url, content=bytes(above))) == (413, "too_large")
    assert status_and_code(await http.post(url, content=pieces(above // 65536 + 1))) == (413, "too_large")
    assert (await sent(http, session_id, jpegs(1)[0])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"no form at all",
        b'--x\r\nContent-Disposition: form-data; name="seq"\r\n\r\n0\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc',
    ],
    ids=["not a form", "no file", "cut off"],
)
async def test_a_form_that_is_none_is_refused(body: bytes, http: httpx.AsyncClient) -> None:
    """Parts are missing, or the last boundary is."""
    url = f"/v1/sessions/{await opened(http)}/frames"
    headers = {"Content-Type": "multipart/form-data; boundary=x"}

    assert status_and_code(await http.post(url, content=body, headers=headers)) == (422, "bad_request")


async def test_a_form_with_another_part_name_is_told_which_is_expected(http: httpx.AsyncClient) -> None:
    """Small or large, `image` is not taken for the picture."""
    url = f"/v1/sessions/{await opened(http)}/frames"
    small = await http.post(url, files={"image": b"x"})
    large = await http.post(url, files={"image": bytes(10_000)})

    assert status_and_code(small) == status_and_code(large) == (422, "bad_request")
    assert "expected one part `file`, got 0, beside 'image'" in small.json()["detail"]
    assert "the file goes into `file`" in large.json()["detail"]


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/clips", "/v1/images", "/v1/sessions/{id}/frames"])
async def test_a_compressed_body_is_refused_by_name(path: str, http: httpx.AsyncClient) -> None:
    """It is not taken for a broken picture."""
    url = path.format(id=await opened(http))
    answer = await http.post(url, content=gzip.compress(jpegs(1)[0]), headers={"Content-Encoding": "gzip"})

    assert status_and_code(answer) == (415, "unsupported_media")
    assert "gzip" in answer.json()["detail"]


async def test_unknown_paths_and_methods_are_problems_too(http: httpx.AsyncClient) -> None:
    """Every error is problem+json, the framework's own as well."""
    assert status_and_code(await http.get("/v1/nothing")) == (404, "not_found")
    assert status_and_code(await http.delete("/v1/models")) == (405, "method_not_allowed")


async def test_models_come_with_their_card(http: httpx.AsyncClient, server: RunningServer) -> None:
    """Name, size and measured accuracy of what is served."""
    answer = (await http.get("/v1/models")).json()

    assert answer["default"] == "kimnet-lite"
    assert {"skeleton", "gflop", "parameters", "pck", "licence", "sha256"} <= set(answer["models"][0])


async def test_probes_and_metrics_answer(http: httpx.AsyncClient) -> None:
    """Alive, ready, and counting frames by transport and outcome, never by session."""
    session_id = await opened(http)
    await sent(http, session_id, jpegs(1)[0])

    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).status_code == 200
    text = (await http.get("/metrics")).text
    assert 'kinepose_frames_total{outcome="ok",transport="http"}' in text
    assert session_id not in text


async def test_the_openapi_document_tells_of_webhooks(http: httpx.AsyncClient) -> None:
    """With an example of the message."""
    document = (await http.get("/openapi.json")).json()
    told = document["webhooks"]["clip-finished"]["post"]

    assert [one["name"] for one in told["parameters"]] == ["webhook-id", "webhook-timestamp", "webhook-signature"]
    assert told["requestBody"]["content"]["application/json"]["example"]["type"] == "clip.done"
    assert set(told["responses"]) == {"204", "410", "default"}


async def test_openapi_has_examples(http: httpx.AsyncClient) -> None:
    """The document describes every route, with an example of its answer."""
    paths = (await http.get("/openapi.json")).json()["paths"]

    assert {"/v1/clips", "/v1/images", "/v1/clips/{clip_id}/poses", "/v1/sessions/{session_id}/frames"} <= set(paths)
    answer = paths["/v1/sessions/{session_id}/frames"]["post"]["responses"]["200"]
    assert answer["content"]["application/json"]["example"]["outcome"] == "ok"


@pytest.mark.parametrize(
    ("example", "kind"),
    [
        (openapi.FRAME, bodies.PoseReply),
        (openapi.IMAGE, bodies.ImageReply),
        (openapi.CLIP, bodies.ClipReply),
        (openapi.SESSION, SessionInfo),
        (openapi.JOB, bodies.JobReply),
        (openapi.CLIP_FINISHED, bodies.ClipFinished),
        (openapi.MODELS, bodies.ModelsReply),
        (openapi.PROBLEM, Problem),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_examples_are_whole_answers(example: dict[str, Any], kind: type) -> None:
    """With every member, and none that answers lack."""
    answer = TypeAdapter(kind).dump_python(TypeAdapter(kind).validate_python(example), mode="json")

    assert set(answer) >= set(example)
    for person in example.get("people", []):
        assert [joint["name"] for joint in person["joints"]] == list(KINEPOSE_13.joints)


def schemas_of(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Where each JSON answer stands in an OpenAPI document, and its schema."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                for kind, content in response.get("content", {}).items():
                    if kind in ("application/json", "application/problem+json"):
                        yield f"{method} {path} {status} {kind}", content["schema"]


async def test_openapi_tells_the_members_of_every_answer(http: httpx.AsyncClient) -> None:
    """Client generators learn all of it: each schema is a named one, with its members; every error is a `Problem`."""
    document = (await http.get("/openapi.json")).json()
    named = {f"#/components/schemas/{name}": schema for name, schema in document["components"]["schemas"].items()}
    found = dict(schemas_of(document))

    for place, schema in found.items():
        references = [schema["$ref"]] if "$ref" in schema else [member["$ref"] for member in schema["anyOf"]]
        assert all(named[reference]["properties"] for reference in references), place
        assert ("problem+json" in place) == (references == ["#/components/schemas/Problem"]), place
    assert len(found) == 28
    references = re.findall(r'"(#/[^"]+)"', json.dumps(document))
    assert set(references) <= set(named)


async def test_answers_are_compact_json_with_members_in_order(http: httpx.AsyncClient) -> None:
    """The bytes of a real answer are those of the golden ones: no spaces, shortest floats, the same order."""
    session_id = await opened(http)
    session = await http.get(f"/v1/sessions/{session_id}")
    reply = await sent(http, session_id, jpegs(1)[0])
    golden = {name: json.loads((GOLDEN / f"{name}.json").read_bytes()) for name in ("session_full", "result_ok")}

    for answer, name in ((session, "session_full"), (reply, "result_ok")):
        assert answer.content == JSONResponse(answer.json()).body
        # Smooth joints were not asked for.
        assert list(answer.json()) == [member for member in golden[name] if member != "kinematics"]
        assert answer.headers["content-type"] == "application/json"


async def test_too_many_sessions_are_told_when_to_try_again(tight_server: RunningServer) -> None:
    """429, and a place again once a session is closed."""
    async with httpx.AsyncClient(base_url=tight_server.http_url, timeout=60) as http:
        session_id = await opened(http)
        refused = await http.post("/v1/sessions")
        await http.delete(f"/v1/sessions/{session_id}")
        taken = await http.post("/v1/sessions")
        await http.delete(taken.headers["location"])

    assert status_and_code(refused) == (429, "too_many_sessions")
    assert taken.status_code == 201


async def test_a_taken_port_fails_the_start(weights: Path, server: RunningServer) -> None:
    """The start ends with an error that names the port."""
    taken = free_ports(weights).model_copy(update={"http_port": server.http_port})

    with pytest.raises(StartFailed, match=str(server.http_port)):
        async with RunningServer(taken):
            pass


async def test_weights_that_are_missing_fail_the_start(tmp_path: Path) -> None:
    """A server without its model does not come up, and says why."""
    nowhere = free_ports(tmp_path).model_copy(update={"model": "kimnet-r50"})

    with pytest.raises(StartFailed, match="kimnet-r50"):
        async with RunningServer(nowhere):
            pass
