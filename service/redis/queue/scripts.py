"""The Lua scripts of this package."""

from redis.asyncio import Redis

from service.redis.client import Scripts, lua


def queue_scripts(client: Redis) -> Scripts:
    """All of them, for one client."""
    return Scripts(client, {name: lua(__package__, name) for name in ("submit", "answer", "waits", "beat", "tidy")})
