"""Where Redis is: what the URLs of its topologies say."""

from service.redis_url import Topology, parse_redis_url


def test_a_cluster_is_named_by_some_of_its_nodes() -> None:
    """User and password are those of all of them; a port that is left out is Redis's own."""
    place = parse_redis_url("redis+cluster://kinepose:a%40b@one:7000,two,[::1]:7002")
    assert place.topology is Topology.CLUSTER
    assert place.nodes == (("one", 7000), ("two", 6379), ("::1", 7002))
    assert place.options == {"username": "kinepose", "password": "a@b"}
    assert not place.encrypted


def test_a_master_is_named_by_its_sentinels() -> None:
    """With a database and options of connections behind its name."""
    place = parse_redis_url("rediss+sentinel://one,two:26380/poses/3?health_check_interval=5")
    assert place.topology is Topology.SENTINEL
    assert place.nodes == (("one", 26379), ("two", 26380))
    assert place.master == "poses"
    assert place.options == {"db": 3, "health_check_interval": 5}
    assert place.encrypted


def test_a_single_server_is_what_redis_py_reads() -> None:
    """By TLS, or at a socket."""
    assert parse_redis_url("redis://host/2").options == {"host": "host", "db": 2}
    assert parse_redis_url("rediss://host").encrypted
    assert parse_redis_url("unix:///run/redis.sock").topology is Topology.SINGLE
