"""A Redis that speaks TLS only and gives the service a user of few rights: all works, and nothing else is allowed."""

import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from service.auth.access import RateLimits
from service.auth.api_keys import Caller, KeyLimits
from service.clips.places import ClipPlaces
from service.config import Settings
from service.contract.messages import DropPolicy
from service.errors import KineposeError, RateLimited, SessionExpired, StoreUnavailable
from service.observability.metrics import Metrics
from service.processes.wiring import open_redis
from tests.support.fleet import at_device, fleet, opened
from tests.support.guarded_redis import USERS, GuardedRedis, guarded_redis
from tests.support.keys import make_certificate
from tests.support.pipelines import Source, frame, until, value_of
from tests.support.trackers import history

PREFIX = "kinepose"
SERVICE = Path(__file__).parents[2] / "service"


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedRedis]:
    """One for all tests here."""
    with guarded_redis(PREFIX) as redis:
        yield redis


def denied(guarded: GuardedRedis) -> list[str]:
    """What was refused since this was asked last, of all users."""
    with guarded.client("operator") as operator:
        found = operator.acl_log()
        operator.acl_log_reset()
    return [f"{one['username']}: {one['reason']} {one['object']}" for one in found]


# -- all works --------------------------------------------------------------------------------------------


async def test_sessions_go_on_over_a_killed_worker(guarded: GuardedRedis) -> None:
    """Frames, a stream, a worker that dies with a frame in its hands, the end of a session: not one command refused."""
    denied(guarded)
    observer = guarded.observer()
    url = guarded.settings["redis_url"].get_secret_value()
    async with observer, fleet(url, workers=2, observer=observer, **guarded.settings) as deployment:
        [frontend] = deployment.frontends
        await opened(frontend, "s")
        assert value_of(await frontend.frames.estimate(frame(0))) == history([0])
        shard = deployment.keyspace.shard_of("s")
        [owner] = [one for one in deployment.workers if shard in one.consumer.registry.own_shards]
        answer = await at_device(owner, frontend, frame(1))
        await owner.kill()
        assert value_of(await answer) == history([0, 1])
        source = Source(*(frame(seq) for seq in range(2, 6)))
        source.end()
        results = [one async for one in frontend.frames.stream("s", aiter(source), DropPolicy.WAIT)]
        assert [value_of(one) for one in results] == [history(list(range(end))) for end in range(3, 7)]
        assert await deployment.left() == (0, 0)
        await frontend.sessions.close("s")
        with pytest.raises(SessionExpired):
            await frontend.frames.estimate(frame(6))
        await opened(frontend, "t")
    assert denied(guarded) == []


async def test_sessions_outlive_a_redis_that_is_killed(guarded: GuardedRedis) -> None:
    """Scripts are loaded again, connections made anew."""
    observer = guarded.observer()
    url = guarded.settings["redis_url"].get_secret_value()
    async with observer, fleet(url, observer=observer, **guarded.settings) as deployment:
        [frontend] = deployment.frontends
        await opened(frontend, "s")
        await frontend.frames.estimate(frame(0))
        guarded.redis.kill()
        with pytest.raises(KineposeError):
            await frontend.sessions.info("s")
        guarded.redis.start()
        await deployment.sees(frontend, 1)
        await until(lambda: deployment.workers[0].consumer.registry.own_shards != ())
        assert value_of(await frontend.frames.estimate(frame(1))) == history([0, 1])
    assert denied(guarded) == []


async def test_rates_and_places_of_clips_are_kept(guarded: GuardedRedis) -> None:
    """The limiter's scripts and the plain commands are among those that are allowed."""
    settings = Settings(**guarded.settings)
    caller = Caller("robot", KeyLimits(frames_per_s=1))
    async with open_redis(settings) as client:
        rates = RateLimits.of(settings, Metrics(), client)
        await rates.frame(caller)
        with pytest.raises(RateLimited):
            await rates.frame(caller)
        places = ClipPlaces(client, settings, "http://10.0.0.1:8000")
        await places.started("0" * 32)
        assert await places.find("0" * 32) == "http://10.0.0.1:8000"
        await places.finished("0" * 32)
        await places.gone("0" * 32)
        assert await places.find("0" * 32) is None
    assert denied(guarded) == []


def test_every_command_of_the_scripts_is_allowed() -> None:
    """Also those that no scenario here comes by: ours, and those of the sliding windows."""
    texts = [path.read_text() for path in SERVICE.rglob("*.lua")]
    windows = files("limits") / "resources" / "redis" / "lua_scripts"
    texts += [(windows / name).read_text() for name in ("sliding_window.lua", "acquire_sliding_window.lua")]
    called = {
        "|".join(part for part in call if part.isupper() or part.islower()).lower()
        for text in texts
        for call in re.findall(r"redis\.call\('(\w+)'(?:, '([A-Z]+)')?", text)
    }
    called = {one if one.split("|")[0] in ("xinfo", "xgroup") else one.split("|")[0] for one in called}
    allowed = set(re.findall(r"\+([\w|]+)", USERS.read_text().splitlines()[-1]))
    assert called - allowed == set()


# -- nothing else does ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "dir", "/tmp"),
        ("KEYS", "kinepose:*"),
        ("SCAN", "0"),
        ("SHUTDOWN",),
        ("REPLICAOF", "127.0.0.1", "1"),
        ("MODULE", "LIST"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "kinepose", "+@all"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("CLIENT", "PAUSE", "1"),
        ("MONITOR",),
        ("BGSAVE",),
        ("INFO",),
        ("EVAL", "return 1", "0"),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "FLUSH"),
        ("XINFO", "STREAM", "kinepose:s"),
        ("XGROUP", "DESTROY", "kinepose:s", "g"),
        ("GET", "other:key"),
        ("SET", "kinepose", "1"),
        ("RENAME", "kinepose:a", "other:b"),
        ("XADD", "other:stream", "*", "a", "b"),
        ("PUBLISH", "other:channel", "x"),
        ("SUBSCRIBE", "other:channel"),
        ("PSUBSCRIBE", "*"),
    ],
    ids=" ".join,
)
def test_the_services_user_may_do_no_more(guarded: GuardedRedis, command: tuple[str, ...]) -> None:
    """No other command, no key and no channel of other prefixes."""
    with guarded.client("kinepose") as client, pytest.raises(NoPermissionError):
        client.execute_command(*command)


def test_a_script_may_do_no_more_than_its_user(guarded: GuardedRedis) -> None:
    """A key that it does not name, a command that it hides: refused inside of it, too."""
    with guarded.client("kinepose") as client:
        for text in ("return redis.call('GET', 'other:key')", "return redis.call('FLUSHALL')"):
            sha = client.script_load(text)
            with pytest.raises(ResponseError, match=r"The user executing the script can't|ACL failure in script"):
                client.evalsha(sha, 0)


def test_nobody_else_comes_in(guarded: GuardedRedis) -> None:
    """The user that others begin as is off, whatever its password, and a wrong password is none."""
    with guarded.client("") as nobody, pytest.raises(AuthenticationError):
        nobody.ping()
    for user, password in (("default", ""), ("default", "of-kinepose"), ("kinepose", "of-the-operator")):
        other = Redis(unix_socket_path=str(guarded.redis.socket), username=user, password=password)
        with other, pytest.raises(AuthenticationError):
            other.ping()


# -- TLS --------------------------------------------------------------------------------------------------


async def reached(settings: dict[str, Any]) -> bool:
    """Whether a process with these settings finds its Redis."""
    async with open_redis(Settings(redis_timeout_s=5.0, **settings)) as client:
        try:
            return bool(await ClipPlaces(client, Settings(**settings), "http://x").find("0" * 32) is None)
        except StoreUnavailable:
            return False


async def test_redis_is_reached_by_tls_and_with_its_certificate_only(guarded: GuardedRedis, tmp_path: Path) -> None:
    """Not in the clear, not by who trusts another, and not where the certificate is of another host."""
    assert await reached(guarded.settings)
    other = make_certificate(tmp_path).cert_file
    assert not await reached(guarded.settings | {"redis_ca_file": other})
    assert not await reached({name: value for name, value in guarded.settings.items() if name != "redis_ca_file"})
    clear = guarded.settings | {"redis_url": SecretStr(f"redis://kinepose@127.0.0.1:{guarded.port}/0")}
    assert not await reached({name: value for name, value in clear.items() if name != "redis_ca_file"})
    misnamed = SecretStr(f"rediss://kinepose@127.0.0.2:{guarded.port}/0")
    assert not await reached(guarded.settings | {"redis_url": misnamed})


async def test_a_redis_may_ask_for_certificates() -> None:
    """`redis_cert_file` and `redis_key_file` are what a process shows then."""
    with guarded_redis(PREFIX, tls_auth_clients="yes") as strict:
        shown = {"redis_cert_file": strict.folder / "cert.pem", "redis_key_file": strict.folder / "key.pem"}
        assert await reached(strict.settings | shown)
        assert not await reached(strict.settings)
