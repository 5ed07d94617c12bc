"""How calls look in HTTP: requests as arguments of httpx, answers from its responses. No input or output here."""

import json
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

from kinepose_client import wire_errors, wire_json
from kinepose_client.calls import Access, ClipRequest, Picture, Unreachable
from kinepose_client.cards import ModelCard
from kinepose_client.errors import KineposeError
from kinepose_client.messages import ClipInfo, ClipJob, FrameResult

T = TypeVar("T")
NDJSON = {"Accept": "application/x-ndjson"}
IN_BACKGROUND = {"Prefer": "respond-async"}
UNFINISHED = 202


def trusted(access: Access) -> ssl.SSLContext | bool:
    """Who may vouch for the server, as httpx takes it. Raises ssl.SSLError where the PEM does not parse."""
    if access.root_certificates is None:
        return True
    return ssl.create_default_context(cadata=access.root_certificates.decode("ascii"))


def timeout(seconds: float) -> httpx.Timeout:
    """For calls that answer at once."""
    return httpx.Timeout(seconds)


def clip_timeout(seconds: float) -> httpx.Timeout:
    """For clips, whose results may take any time to come."""
    return httpx.Timeout(seconds, read=None)


def picture_query(picture: Picture) -> dict[str, Any]:
    """What is said of a frame beside its picture."""
    said = {
        "seq": picture.seq,
        "pts_us": picture.pts_us,
        "region": wire_json.regions_to_text([picture.region]) if picture.region else None,
        "regions": wire_json.regions_to_text(picture.regions),
        "deadline_ms": picture.deadline_ms,
    }
    return {name: value for name, value in said.items() if value is not None}


def clip_query(asked: ClipRequest) -> dict[str, Any]:
    """What is said of a clip or picture beside the file."""
    said = {
        "region": wire_json.regions_to_text([asked.region]) if asked.region else None,
        "regions": wire_json.regions_to_text(asked.regions),
        "model": asked.model,
        "strict": "true" if asked.strict else None,
        "max_people": asked.max_people,
        "format": asked.format,
        "smoothing": asked.smoothing,
        "webhook": asked.webhook,
    }
    return {name: value for name, value in said.items() if value is not None}


@contextmanager
def complete(output: Path) -> Generator[Path, None, None]:
    """Where to write a file that is to appear whole, or not at all."""
    part = output.with_name(f"{output.name}.part")
    try:
        yield part
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)


def answer(response: httpx.Response, read: Callable[[Any], T]) -> T:
    """What a good answer tells; the error of a bad one is raised. The response has been read."""
    raise_for(response)
    with readable():
        return read(response.json())


def models(data: Any) -> list[ModelCard]:
    """The cards in the answer of GET /v1/models."""
    return [wire_json.card_from_json(card) for card in data["models"]]


def raise_for(response: httpx.Response) -> None:
    """Raise what a problem+json answer tells. Other bad answers (a proxy's, say) become the base class."""
    if response.is_success:
        return
    try:
        body = response.json()
    except ValueError:
        body = None
    if isinstance(body, dict) and "code" in body:
        raise wire_errors.from_problem(body)
    raise KineposeError(f"the server answered {response.status_code} {response.reason_phrase}")


def job(response: httpx.Response) -> ClipJob:
    """The job that was begun. The response has been read."""
    return answer(response, wire_json.job_from_json)


def check_finished(response: httpx.Response) -> None:
    """Raise where results are asked for that are not there (yet). A response that is not a success has been read."""
    raise_for(response)
    if response.status_code == UNFINISHED:
        raise ValueError("the clip is still worked on: ask for its job until that has finished")


def clip_line(line: str) -> FrameResult | ClipInfo:
    """A line of a clip's NDJSON; the line that tells of an error is raised."""
    with readable():
        data = json.loads(line)
        if "outcome" in data:
            return wire_json.result_from_json(data)
        if "clip" in data:
            return wire_json.clip_from_json(data["clip"])
        error = wire_errors.from_problem(data["error"])
    raise error


def check_ended(last: FrameResult | ClipInfo | None) -> None:
    """The last line of a clip is its `clip`; without it the connection broke."""
    if not isinstance(last, ClipInfo):
        raise Unreachable("the server's answer breaks off")


@contextmanager
def connected() -> Generator[None, None, None]:
    """httpx's own errors as Unreachable."""
    try:
        yield
    except httpx.TransportError as error:
        raise Unreachable(str(error) or type(error).__name__) from error


@contextmanager
def readable() -> Generator[None, None, None]:
    """What is none of the server's answers (a proxy's page, say) as an error of ours."""
    try:
        yield
    except (KeyError, TypeError, ValueError) as error:
        raise KineposeError(f"the answer is none of Kinepose's: {type(error).__name__}: {error}") from error
