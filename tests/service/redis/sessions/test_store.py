"""What is Redis's own in its session store: many processes, bytes, leases. The rest is in test_sessions.py."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from dataclasses import replace
from typing import Any

import pytest
from redis.crc import key_slot

from model.state_codec import VERSION, encode_state
from service.errors import (
    BadRequest,
    KineposeError,
    SessionExpired,
    SessionUnknown,
    StaleCommit,
    StoreUnavailable,
    TooManySessions,
)
from service.redis.codec import encode_record
from service.sessions.store import SessionStore, Version
from tests.support.redis_server import lossy_way
from tests.support.stores import TTL_S, KeptInRedis, kept_in_redis, meta, result, same, state

MOST = 3


@pytest.fixture
async def kept(redis_url: str) -> AsyncIterator[KeptInRedis]:
    """Room for three sessions."""
    async with kept_in_redis(redis_url, MOST) as kept:
        yield kept


async def committed(store: SessionStore, seq: int, shade: int | None = None) -> Version:
    """Compute frame `seq` of session "a"; the version that it was written with."""
    version = (await store.checkout("a", seq)).version
    await store.commit("a", version, state(seq if shade is None else shade), result("a", seq))
    return version


def state_key(kept: KeptInRedis) -> str:
    """Where the state of session "a" is."""
    return kept.keyspace.session("a").state


# -- many processes ---------------------------------------------------------------------------------------


async def test_another_store_goes_on_with_the_same_state_bit_for_bit(kept: KeptInRedis) -> None:
    """What one committed, the other reads: state, answer, order and pts."""
    await kept.store.create("a", meta())
    await committed(kept.store, 0)
    other = kept.another().store
    found = await other.checkout("a", 1)
    assert same(found.state, state(0))
    assert same((await other.checkout("a", 0)).replay, result("a", 0))
    assert same(found.meta, meta())


async def test_a_state_of_three_people_goes_on_elsewhere_with_the_same_numbers(kept: KeptInRedis) -> None:
    """One commit holds all tracks; another process reads every one of them, bit for bit."""
    await kept.store.create("a", meta())
    version = (await kept.store.checkout("a", 0)).version
    await kept.store.commit("a", version, state(0, people=3), result("a", 0))
    found = (await kept.another().store.checkout("a", 1)).state
    assert found is not None
    assert [track.track_id for track in found.tracks] == [1, 2, 3]
    assert same(found, state(0, people=3))


async def test_two_stores_take_turns(kept: KeptInRedis) -> None:
    """Each sees the other's last state, although it has an older one in memory."""
    stores = (kept.store, kept.another().store)
    await kept.store.create("a", meta())
    for seq in range(6):
        store = stores[seq % 2]
        found = await store.checkout("a", seq)
        assert same(found.state, state(seq - 1) if seq else None)
        await store.commit("a", found.version, state(seq), result("a", seq))


async def test_of_two_stores_that_commit_at_once_exactly_one_wins(kept: KeptInRedis) -> None:
    """The other learns that it lost, and what it computed is nowhere."""
    other = kept.another()
    await kept.store.create("a", meta())
    for seq in range(20):
        version = (await kept.store.checkout("a", seq)).version
        states = [state(100 + seq), state(200 + seq)]
        ends = await asyncio.gather(
            kept.store.commit("a", version, states[0], result("a", seq)),
            other.store.commit("a", version, states[1], result("a", seq)),
            return_exceptions=True,
        )
        assert [type(end) for end in ends if end is not None] == [StaleCommit]
        winner = states[ends.index(None)]
        for store in (kept.store, other.store):
            assert same((await store.checkout("a", seq + 1)).state, winner)
    assert kept.sample("state_cas_conflicts_total") + other.sample("state_cas_conflicts_total") == 20


async def test_limit_holds_over_all_stores(kept: KeptInRedis) -> None:
    """Sessions of one deployment are counted together, however many ask at once."""
    stores = [kept.store, kept.another().store]
    ends = await asyncio.gather(
        *(stores[number % 2].create(f"s{number}", meta()) for number in range(8)), return_exceptions=True
    )
    assert sum(isinstance(end, TooManySessions) for end in ends) == 8 - MOST
    assert await kept.store.sweep() == MOST


async def test_expired_session_is_counted_once_by_all_stores(kept: KeptInRedis) -> None:
    """Whoever sweeps first counts it."""
    other = kept.another()
    for name in "abc":
        await kept.store.create(name, meta())
    await kept.elapse(TTL_S)
    await asyncio.gather(kept.store.sweep(), other.store.sweep())
    assert sum(one.sample("sessions_closed_total", reason="expired") for one in (kept, other)) == 3


async def test_expired_sessions_leave_their_owners_index(kept: KeptInRedis) -> None:
    """Whoever sweeps, also where the owner has no limit and never comes again; those that live stay in it."""
    for name in "ab":
        await kept.store.create(name, replace(meta(), owner="key"))
    await kept.elapse(TTL_S / 2)
    await kept.store.hold("b")
    await kept.elapse(TTL_S / 2)
    await kept.another().store.sweep()
    assert await kept.client.zrange(kept.keyspace.index("key"), 0, -1) == [b"b"]
    await kept.store.close("b")
    names = (kept.keyspace.index("key"), kept.keyspace.index(), kept.keyspace.owners())
    assert await kept.client.exists(*names) == 0


async def test_an_id_in_use_stays_its_owners(kept: KeptInRedis) -> None:
    """Another key that asks for it is refused, and it does not count among that key's."""
    await kept.store.create("a", replace(meta(), owner="key"))
    with pytest.raises(BadRequest):
        await kept.store.create("a", replace(meta(), owner="other"))
    assert await kept.client.zcard(kept.keyspace.index("other")) == 0
    await kept.elapse(TTL_S)
    await kept.store.sweep()
    assert await kept.client.zcard(kept.keyspace.index("key")) == 0


async def test_deployments_with_other_prefixes_share_nothing(kept: KeptInRedis) -> None:
    """The same id is another session there."""
    stranger = KeptInRedis(kept.client, MOST)
    await kept.store.create("a", meta())
    with pytest.raises(SessionUnknown):
        await stranger.store.info("a")


# -- keys and their ends ----------------------------------------------------------------------------------


async def test_keys_of_a_session_share_a_slot_and_all_of_them_end(kept: KeptInRedis) -> None:
    """A cluster runs each script in one place, and nothing of a session stays for ever."""
    keys = kept.keyspace.session("a")
    assert len({key_slot(key.encode()) for key in keys}) == 1
    await kept.store.create("a", meta())
    await kept.store.hold("a")
    await committed(kept.store, 0)
    left_ms = [await kept.client.pttl(key) for key in keys]
    assert 0 < left_ms[0] < left_ms[1]
    assert 0 < left_ms[2] <= left_ms[0]
    assert {*await kept.client.keys(f"{kept.prefix}:*session:a*")} == {key.encode() for key in keys}


async def test_short_life_ends_by_itself(kept: KeptInRedis) -> None:
    """In Redis's own time, with nobody there to clear up."""
    await kept.store.create("a", meta(ttl_s=0.02))
    await kept.ended("a")
    with pytest.raises(SessionExpired, match="has expired"):
        await kept.store.checkout("a", 0)
    assert await kept.store.sweep() == 0


async def test_ended_session_is_forgotten_after_its_time(redis_url: str) -> None:
    """Then it is as one that never was."""
    async with kept_in_redis(redis_url, MOST, remembered_s=TTL_S) as kept:
        await kept.store.create("a", meta())
        await kept.store.close("a")
        await kept.elapse(TTL_S / 2)
        with pytest.raises(SessionExpired):
            await kept.store.info("a")
        await kept.elapse(TTL_S / 2)
        with pytest.raises(SessionUnknown):
            await kept.store.info("a")


async def test_hold_of_a_process_that_died_runs_out(kept: KeptInRedis) -> None:
    """Its lease ends, then the idle clock starts; a later hold counts anew."""
    await kept.store.create("a", meta())
    await kept.store.hold("a")
    await kept.elapse(kept.settings.hold_lease_s + TTL_S / 2)
    other = kept.another().store
    assert (await other.info("a")).expires_in_s == pytest.approx(TTL_S / 2, abs=TTL_S / 10)
    await other.hold("a")
    await other.release("a")
    await kept.elapse(TTL_S)
    with pytest.raises(SessionExpired):
        await other.info("a")


async def test_hold_lasts_while_its_frames_come_and_go(kept: KeptInRedis) -> None:
    """Each checkout and each commit renews the lease."""
    await kept.store.create("a", meta())
    await kept.store.hold("a")
    most_s = kept.settings.hold_lease_s + TTL_S
    for seq in range(3):
        await kept.elapse(0.8 * most_s)
        await kept.store.hold("a")
        await kept.store.release("a")
        await kept.elapse(0.8 * most_s)
        await committed(kept.store, seq)
    assert (await kept.store.info("a")).expires_in_s == TTL_S


# -- hot states -------------------------------------------------------------------------------------------


async def test_state_is_read_only_by_a_store_that_does_not_have_it(kept: KeptInRedis) -> None:
    """Behind the store's back its bytes are broken: only a cold store can notice, and then ends the session."""
    await kept.store.create("a", meta())
    await committed(kept.store, 0)
    await kept.client.set(state_key(kept), b"broken", keepttl=True)
    assert same((await kept.store.checkout("a", 1)).state, state(0))
    with pytest.raises(SessionExpired, match="cannot go on"):
        await kept.another().store.checkout("a", 1)


async def test_state_of_a_newer_server_is_left_to_it(kept: KeptInRedis) -> None:
    """While versions are mixed, this one asks the client to come again."""
    await kept.store.create("a", meta())
    await committed(kept.store, 0)
    blob = bytearray(encode_state(state(0)))
    blob[4] = VERSION + 1
    await kept.client.set(state_key(kept), bytes(blob), keepttl=True)
    with pytest.raises(StoreUnavailable):
        await kept.another().store.checkout("a", 1)


@pytest.mark.parametrize("hot_states", [0, 1, 2])
async def test_hot_states_are_bounded_and_make_no_difference(redis_url: str, hot_states: int) -> None:
    """With any number of them each session gets its own state."""
    async with kept_in_redis(redis_url, MOST, hot_states=hot_states) as kept:
        for name in "abc":
            await kept.store.create(name, meta())
        for seq in range(3):
            for number, name in enumerate("abc"):
                found = await kept.store.checkout(name, seq)
                assert same(found.state, state(10 * number + seq - 1) if seq else None)
                await kept.store.commit(name, found.version, state(10 * number + seq), result(name, seq))
        assert len(kept.store._hot) == hot_states


async def test_hot_state_that_redis_lost_is_not_gone_on_with(kept: KeptInRedis) -> None:
    """After a crash Redis may be a frame behind; the frame that comes in its place has the same number."""
    await kept.store.create("a", meta())
    await committed(kept.store, 0)
    saved: Any = {key: await kept.client.dump(key) for key in kept.keyspace.session("a")}
    await committed(kept.store, 1)
    for key, value in saved.items():
        await kept.client.restore(key, 10_000, value, replace=True)
    await committed(kept.another().store, 1, shade=7)
    assert same((await kept.store.checkout("a", 2)).state, state(7))


# -- lost answers -----------------------------------------------------------------------------------------


async def test_call_whose_answer_is_lost_is_sent_again_and_happens_once(redis_url: str) -> None:
    """A connection that breaks after Redis has written costs nobody a frame or a session."""
    host, port = redis_url.removeprefix("redis://").split("/")[0].split(":")
    async with lossy_way(host, int(port)) as way, kept_in_redis(way.url, MOST) as kept:
        await kept.store.create("warm-up", meta())
        version = Version(0, 0)
        calls: list[tuple[int, Any]] = [
            (2, lambda: kept.store.create("a", meta())),
            (0, lambda: kept.store.checkout("a", 0)),
            (0, lambda: kept.store.commit("a", version, state(0), result("a", 0))),
            (0, lambda: kept.store.info("a")),
            (0, lambda: kept.store.sweep()),
        ]
        # Of the round trips of `create`, the last one writes the session.
        for round_trips_before, call in calls:
            way.to_pass = round_trips_before
            answer = await call()
            version = getattr(answer, "version", version)
        assert way.lost == len(calls)
        assert same((await kept.store.checkout("a", 1)).state, state(0))
        assert await kept.store.sweep() == 2


async def test_session_begun_anew_while_a_sweep_looks_at_its_last_life_stays_counted(kept: KeptInRedis) -> None:
    """The sweep found it dead, and then somebody created it."""
    await kept.store.create("a", meta())
    await kept.elapse(TTL_S)
    index = kept.store._index
    look = index._looked_at

    async def interrupted(session_ids: list[str]) -> list[int | str]:
        found = await look(session_ids)
        index._looked_at = look  # type: ignore[method-assign]
        await index.admit("a", 1000)
        await kept.store._run("create", "a", 1, encode_record(meta()), 1000 * int(TTL_S))
        return found

    index._looked_at = interrupted  # type: ignore[method-assign]
    assert await kept.store.sweep() == 1
    assert (await kept.store.info("a")).next_seq == 0
    assert kept.sample("sessions_closed_total", reason="expired") == 0


async def test_no_session_is_ended_by_a_create_that_was_refused(kept: KeptInRedis) -> None:
    """An id in use stays counted, whatever else is swept."""
    await kept.store.create("a", meta())
    for _ in range(2):
        with pytest.raises(KineposeError):
            await kept.another().store.create("a", meta())
        assert await kept.store.sweep() == 1


# -- callers who leave ------------------------------------------------------------------------------------

MOMENTS = range(0, 400, 8)
"""Steps of the event loop after which a call is cancelled: before, within and between its commands."""


async def left_at(moment: int, call: Coroutine[Any, Any, object]) -> bool:
    """Whether whoever makes the call, cancelled after so many steps, is so before its end; waits until all is over."""
    task = asyncio.create_task(call)
    for _ in range(moment):
        await asyncio.sleep(0)
    task.cancel()
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)
    return task.cancelled()


async def test_a_session_that_is_created_for_nobody_takes_no_place(kept: KeptInRedis) -> None:
    """Its client left meanwhile, at whatever moment, and never learns of it."""
    for moment in MOMENTS:
        lost = await left_at(moment, kept.store.create(f"a{moment}", meta()))
        assert await kept.client.zcard(kept.keyspace.index()) == (0 if lost else 1)
        if not lost:
            await kept.store.close(f"a{moment}")


async def test_a_hold_that_nobody_has_is_given_back(kept: KeptInRedis) -> None:
    """So that the session's idle clock goes on."""
    await kept.store.create("a", meta())
    for moment in MOMENTS:
        lost = await left_at(moment, kept.store.hold("a"))
        assert await kept.client.hget(kept.keyspace.session("a").session, "holds") == (b"0" if lost else b"1")
        if not lost:
            await kept.store.release("a")
