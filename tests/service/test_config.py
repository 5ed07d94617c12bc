"""Settings from the environment."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.config import Settings


def test_environment_sets_what_it_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each setting is KINEPOSE_ and its name."""
    monkeypatch.setenv("KINEPOSE_GRPC_PORT", "0")
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", "some/folder")
    settings = Settings()
    assert settings.grpc_port == 0
    assert settings.weights_dir == Path("some/folder")
    assert settings.session_ttl_s == 300


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_port", 65536),
        ("max_sessions", 0),
        ("max_batch", 0),
        ("batch_wait_ms", -1),
        ("session_ttl_s", 0),
        ("clip_every", 1),
        ("device", "tpu"),
        ("log_level", "LOUD"),
        ("no_such_setting", 1),
    ],
)
def test_value_out_of_range_is_refused_by_name(name: str, value: Any) -> None:
    """The message names the setting."""
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})


@pytest.mark.parametrize(
    "fields",
    [
        {"device": "cuda", "runtime": "openvino"},
        {"session_ttl_s": 100, "max_session_ttl_s": 50},
        {"max_pending_per_session": 10, "max_pending_frames": 5},
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields: dict[str, Any]) -> None:
    """Both are named."""
    with pytest.raises(ValidationError) as raised:
        Settings(**fields)
    assert all(name in str(raised.value) or str(value) in str(raised.value) for name, value in fields.items())


def test_settings_cannot_be_changed() -> None:
    """They are read once."""
    with pytest.raises(ValidationError):
        Settings().max_batch = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "url",
    [
        "http://:hunter2@host",
        "redis://:hunter2@host:port",
        "hunter2",
        "redis+cluster://:hunter2@host:port",
        "redis+cluster://:hunter2@host/0",
        "redis+sentinel://:hunter2@host",
        "unix+cluster://:hunter2@host",
    ],
)
def test_redis_url_is_checked_and_never_told(url: str) -> None:
    """Neither a wrong one nor a right one shows its password."""
    with pytest.raises(ValidationError, match=r"redis_url[\s\S]*expected redis://") as raised:
        Settings(redis_url=url)  # type: ignore[arg-type]
    assert "hunter2" not in str(raised.value)
    with pytest.raises(ValidationError) as raised:
        Settings(redis_url="redis://:hunter2@host", device="cuda", runtime="openvino")  # type: ignore[arg-type]
    assert "hunter2" not in str(raised.value)
    assert "hunter2" not in repr(Settings(redis_url="redis://:hunter2@host"))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "files",
    [
        {"redis_url": "redis://host", "redis_ca_file": "/ca.crt"},
        {"redis_ca_file": "/ca.crt"},
        {"redis_url": "rediss://host", "redis_cert_file": "/tls.crt"},
        {"redis_url": "unix:///run/redis.sock", "redis_cert_file": "/tls.crt", "redis_key_file": "/tls.key"},
    ],
)
def test_certificates_for_redis_want_a_connection_by_tls(files: dict[str, str]) -> None:
    """Whoever names them does not get one in the clear; a certificate goes with its key."""
    with pytest.raises(ValidationError, match=r"rediss://|go together"):
        Settings(**files)  # type: ignore[arg-type]
    Settings(redis_url="rediss://host", redis_ca_file=Path("/ca.crt"))  # type: ignore[arg-type]
