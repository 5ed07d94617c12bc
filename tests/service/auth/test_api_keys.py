"""API keys: which are taken, which are refused, and what happens when their file changes."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.auth.access import check_owner
from service.auth.api_keys import ANYONE, Caller, KeyLimits, KeyRing, hashed, new_key
from service.errors import Forbidden, Unauthenticated
from service.observability.metrics import Metrics

ROBOT, DRONE = new_key("robot"), new_key("drone-2")


def write(path: Path, *keys: str, **limits: int) -> Path:
    """A keys file, newer than the one before."""
    records = [{"id": key.split("_")[1], "sha256": hashed(key), "limits": limits} for key in keys]
    replace(path, json.dumps({"keys": records}))
    return path


def replace(path: Path, text: str) -> None:
    """As an editor does: whole, and under another inode."""
    part = path.with_suffix(".part")
    part.write_text(text)
    part.replace(path)


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """A file with the key ROBOT."""
    return write(tmp_path / "keys.json", ROBOT)


def ring(path: Path | None, metrics: Metrics | None = None) -> KeyRing:
    """A key ring of that file."""
    return KeyRing(path, metrics or Metrics())


def refused(keys: KeyRing, authorization: str | None) -> str:
    """Why a call is refused."""
    with pytest.raises(Unauthenticated) as caught:
        keys.caller(authorization)
    return caught.value.detail


def test_without_a_file_everybody_may_call() -> None:
    """No keys configured: whoever calls is nobody in particular, whatever they send."""
    keys = ring(None)

    assert keys.caller(None) is keys.caller("Bearer nonsense") is ANYONE


def test_a_key_is_its_holder(keys_file: Path) -> None:
    """The caller has the key's id and limits; the word Bearer is written in any way."""
    write(keys_file, ROBOT, DRONE, frames_per_s=30, max_sessions=2)
    keys = ring(keys_file)

    expected = Caller("drone-2", KeyLimits(frames_per_s=30, max_sessions=2))
    assert keys.caller(f"Bearer {DRONE}") == keys.caller(f"bearer  {DRONE}") == expected
    assert keys.caller(f"Bearer {ROBOT}").key_id == "robot"


NO_KEYS = {
    "nothing": "",
    "a scheme alone": "Bearer",
    "an empty key": "Bearer ",
    "another scheme": f"Basic {ROBOT}",
    "no scheme": ROBOT,
    "its last letter missing": f"Bearer {ROBOT[:-1]}",
    "a letter more": f"Bearer {ROBOT}x",
    "twice": f"Bearer {ROBOT} {ROBOT}",
    "another's id": f"Bearer {ROBOT.replace('robot', 'drone')}",
    "its hash": f"Bearer {hashed(ROBOT)}",
    "a form without content": "Bearer kp__",
    "very long": "Bearer " + "k" * 100_000,
    "other letters": "Bearer kp_robot_\u00fc",
}


@pytest.mark.parametrize("authorization", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_refused(authorization: str, keys_file: Path) -> None:
    """Also a key of another name, one that is cut off, and the hash of the file."""
    assert refused(ring(keys_file), authorization) == "this API key is not known here"


@given(st.text(max_size=200))
def test_no_header_breaks_the_ring(text: str) -> None:
    """Whatever a client sends is a key or is refused."""
    refused(ring(Path("/nonexistent/keys.json")), text)


def test_a_call_without_a_key_is_told_how_to_send_one(keys_file: Path) -> None:
    """The sentence is for people who see the API for the first time."""
    assert "Authorization: Bearer" in refused(ring(keys_file), None)


def test_refusals_are_counted(keys_file: Path) -> None:
    """By reason, without a word of the key."""
    metrics = Metrics()
    refused(ring(keys_file, metrics), f"Bearer {DRONE}")
    with pytest.raises(Forbidden, match="session x belongs to another API key"):
        check_owner(Caller("robot"), "drone", "session x", metrics)

    counted = {
        reason: metrics.registry.get_sample_value("kinepose_auth_failures_total", {"reason": reason})
        for reason in ("unauthenticated", "forbidden")
    }
    assert counted == {"unauthenticated": 1, "forbidden": 1}


@pytest.mark.parametrize(("caller", "owner"), [(Caller("robot"), None), (ANYONE, "robot"), (Caller("a"), "b")])
def test_only_its_owner_has_a_session(caller: Caller, owner: str | None) -> None:
    """Neither a key that made it not, nor anybody once keys are switched off."""
    with pytest.raises(Forbidden):
        check_owner(caller, owner, "session x", Metrics())


@pytest.mark.parametrize("key_id", ["robot", None])
def test_an_owner_may_use_what_is_theirs(key_id: str | None) -> None:
    """With keys and without."""
    check_owner(Caller(key_id), key_id, "session x", Metrics())


def test_a_changed_file_holds_at_once(keys_file: Path) -> None:
    """A key that is added comes in, one that is removed stays out."""
    keys = ring(keys_file)
    write(keys_file, DRONE)

    refused(keys, f"Bearer {ROBOT}")
    assert keys.caller(f"Bearer {DRONE}").key_id == "drone-2"


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "{",
        "[]",
        '{"keys": 1}',
        '{"keys": [{"id": "a b", "sha256": "00"}]}',
        '{"key": []}',
        json.dumps({"keys": [{"id": "a", "sha256": "0" * 64, "limits": {"frames_per_s": 0}}]}),
        json.dumps({"keys": [{"id": "a", "sha256": "0" * 64}] * 2}),
    ],
)
def test_a_broken_file_changes_nothing(broken: str, keys_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The last good keys stay in force; it is logged once, not with every call."""
    keys = ring(keys_file)
    replace(keys_file, broken)

    assert keys.caller(f"Bearer {ROBOT}").key_id == keys.caller(f"Bearer {ROBOT}").key_id == "robot"
    assert [record.levelno for record in caplog.records].count(logging.ERROR) == 1


def test_a_file_that_is_broken_from_the_start_refuses_everybody(tmp_path: Path) -> None:
    """There are no last good keys then."""
    (tmp_path / "keys.json").write_text("{")

    refused(ring(tmp_path / "keys.json"), f"Bearer {ROBOT}")


def test_a_file_that_is_mended_holds_again(keys_file: Path) -> None:
    """A broken one is no dead end."""
    keys = ring(keys_file)
    replace(keys_file, "{")
    keys.caller(f"Bearer {ROBOT}")
    write(keys_file, DRONE)

    assert keys.caller(f"Bearer {DRONE}").key_id == "drone-2"


def test_a_missing_file_refuses_everybody(keys_file: Path) -> None:
    """Until it is back."""
    keys = ring(keys_file)
    keys_file.unlink()
    refused(keys, f"Bearer {ROBOT}")
    write(keys_file, ROBOT)

    assert keys.caller(f"Bearer {ROBOT}").key_id == "robot"


def test_an_empty_list_refuses_everybody(tmp_path: Path) -> None:
    """Keys are configured, there are none."""
    refused(ring(write(tmp_path / "keys.json")), f"Bearer {ROBOT}")


def test_the_file_is_read_once_while_it_stays_the_same(keys_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call costs a look at the file's times."""
    keys = ring(keys_file)

    def unexpected(*_: Any) -> bytes:
        raise AssertionError

    monkeypatch.setattr(Path, "read_bytes", unexpected)
    assert keys.caller(f"Bearer {ROBOT}").key_id == "robot"


def test_a_file_that_cannot_be_read_changes_nothing(keys_file: Path) -> None:
    """As a broken one."""
    keys = ring(keys_file)
    keys_file.unlink()
    keys_file.mkdir()
    assert keys.caller(f"Bearer {ROBOT}").key_id == "robot"


def test_a_new_key_is_long_and_like_no_other() -> None:
    """`kp_<id>_` and 256 bits."""
    one, other = new_key("robot"), new_key("robot")

    assert one.startswith("kp_robot_")
    assert len(one) == len("kp_robot_") + 43
    assert one != other


def test_keys_are_in_no_log(keys_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither good ones nor bad ones, at any level, nor their hashes."""
    with caplog.at_level(logging.DEBUG):
        keys = ring(keys_file)
        keys.caller(f"Bearer {ROBOT}")
        refused(keys, f"Bearer {DRONE}")
        replace(keys_file, json.dumps({"keys": [{"id": ROBOT, "sha256": ROBOT}]}))
        keys.caller(f"Bearer {ROBOT}")

    secrets = (ROBOT, DRONE, hashed(ROBOT), hashed(DRONE))
    assert not any(secret in caplog.text for secret in secrets)
