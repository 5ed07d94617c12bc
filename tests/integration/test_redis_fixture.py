"""The Redis that the tests start is a real one, set up as the service will ask for it."""

import redis


def test_fixture_serves_a_redis_that_never_evicts(redis_url: str) -> None:
    """A session's state may expire but must not be evicted, so tests run against the same policy."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        policy = client.config_get("maxmemory-policy")

    assert policy == {"maxmemory-policy": "noeviction"}
