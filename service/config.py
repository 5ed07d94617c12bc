"""All settings of a server and every limit it keeps, read once from the environment (prefix KINEPOSE_)."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.redis_url import Topology, parse_redis_url

MIB = 1024 * 1024


class Settings(BaseSettings):
    """Frozen settings; a value out of range fails the start with a message that names the variable.

    Ports may be 0: the kernel chooses a free one. Times end in `_s` (seconds) or `_ms` (milliseconds), sizes
    in `_bytes` or `_pixels`.
    """

    model_config = SettingsConfigDict(env_prefix="KINEPOSE_", frozen=True, extra="forbid", hide_input_in_errors=True)

    # Where it listens.
    host: str = "127.0.0.1"
    http_port: int = Field(default=8000, ge=0, le=65535)
    grpc_port: int = Field(default=50051, ge=0, le=65535)
    http_path_prefix: str = Field(default="", pattern=r"^(/[A-Za-z0-9._~-]+)*$")
    """Such as /pose: where a proxy puts the HTTP interface, whether it takes the prefix off or leaves it on."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Whose pages may call this server from browsers, beside its own: https://a.example,https://b.example, or *."""
    http_keepalive_s: int = Field(default=5, ge=3)
    """A connection without a request is closed after this; longer than clients and proxies let theirs rest."""
    http_head_timeout_s: float = Field(default=10.0, gt=0)
    """How long a client may take to send a request's line and headers, or to begin with gRPC."""
    max_connections: int = Field(default=4096, ge=1)
    """HTTP and WebSocket connections at once; one more is answered 503 and closed."""
    limit_concurrency: int = Field(default=2048, ge=1)
    """Calls under way at once, over all transports, probes aside; more are answered 503."""
    max_calls_per_key: int = Field(default=128, ge=1)
    """Of these, of one API key. A gRPC call may hold a message that is not whole yet, of up to `max_image_bytes`."""
    body_timeout_s: float = Field(default=20.0, gt=0)
    """A body or message that, while the server waits for it, brings less than `min_body_bytes_per_s` over this time
    ends its call."""
    min_body_bytes_per_s: int = Field(default=1024, ge=1)
    send_timeout_s: float = Field(default=60.0, gt=0)
    """A client that takes nothing of its answer for so long is cut off."""
    advertised_url: str | None = None
    """Where other frontends reach this one, for its clip jobs: http://HOST:PORT, or https:// and a host that its
    certificate names. Unset: `host`, or what this machine's name stands for, and the port that it listens on."""

    # What it computes with.
    model: str = "kimnet-lite"
    weights_dir: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runtime: Literal["auto", "openvino", "torch"] = "auto"
    precision: Literal["f32", "bf16"] = "f32"
    parallel_frames: int | None = Field(default=None, ge=1, le=64)
    """Frames computed at once on a CPU, one core each; unset: as many as there are cores, at most 8. With 1, all cores
    compute one frame after the other: a lone stream has its answers sooner, it takes more of the processor, and joints
    differ a little from those of machines with another number of cores."""

    # Sessions.
    session_ttl_s: float = Field(default=300.0, gt=0)
    max_session_ttl_s: float = Field(default=3600.0, gt=0)
    max_sessions: int = Field(default=1024, ge=1)
    max_sessions_per_key: int = Field(default=512, ge=1)
    """Of an API key that has no `max_sessions` of its own."""
    max_people: int = Field(default=6, ge=1, le=16)
    """The most people that one session or clip may ask to be followed; each costs what a session of one does."""
    search_every: int = Field(default=16, ge=1)
    search_every_s: float = Field(default=1.0, gt=0)
    """Frames, or seconds of the frames' own times, after which people who have come are looked for where a session
    follows fewer than it may: whichever passes first; half as many frames more beside one person alone, four times as
    often while somebody is lost. The same in every worker."""
    remembered_sessions: int = Field(default=10_000, ge=0)
    """Ids of ended sessions kept, so that a late frame gets `session_expired`, not `session_unknown`."""

    # Sessions in Redis, shared by all processes with the same URL and prefix; without a URL, in memory.
    redis_url: SecretStr | None = None
    """redis://user:password@host:6379/0, rediss://... (TLS) or unix://PATH; a master behind Sentinels is
    redis+sentinel://host:26379,host:26379/NAME, a cluster redis+cluster://host:6379,host:6379."""
    redis_prefix: str = Field(default="kinepose", pattern=r"^[A-Za-z0-9_.:-]+$")
    redis_timeout_s: float = Field(default=5.0, gt=0)
    hold_lease_s: float = Field(default=300.0, gt=0)
    """A frame in flight keeps its session alive; that of a process that died does so no longer than this. A session in
    use bears it when Redis's clock jumps ahead by this and its TTL."""
    remembered_s: float = Field(default=3600.0, gt=0)
    """As `remembered_sessions`: how long."""
    hot_states: int = Field(default=256, ge=0)
    """States (106 KB each) that a process keeps, so that it need not read them back from Redis."""
    redis_password_file: Path | None = None
    """Holds the password, where the URL names none."""
    redis_sentinel_password_file: Path | None = None
    """Holds the password of the Sentinels, where they ask for one; the user and password of the URL are not theirs."""
    redis_wait_replicas: int = Field(default=0, ge=0)
    """An answer goes out once so many replicas have its commit, so that a failover does not undo what was answered."""
    redis_wait_ms: int = Field(default=500, ge=1)
    """Where they do not have it after this, the frame is asked for again, and `store_unavailable` in the end."""
    redis_ca_file: Path | None = None
    """Certificates (PEM) of those who may vouch for Redis over rediss://; unset, those that this machine trusts."""
    redis_cert_file: Path | None = None
    redis_key_file: Path | None = None
    """What this process shows to a Redis that asks its clients for certificates (tls-auth-clients)."""

    # Frames on their way from frontends to workers, through Redis.
    redis_shards: int = Field(default=32, ge=1, le=1024)
    """Sessions are spread over so many shards, each with its streams; at least four for each worker balance well."""
    max_stream_frames: int = Field(default=256, ge=1)
    """Frames that wait in one shard's stream; more are refused."""
    max_stream_bytes: int = Field(default=16 * MIB, ge=1)
    """Bytes of frames that wait in one shard's stream; more are refused. A stream that is empty takes any frame."""
    worker_lease_s: float = Field(default=3.0, ge=0.2)
    """A worker that has not been heard of for so long is taken for dead, and others go on with its frames."""
    worker_frames: int = Field(default=32, ge=1)
    """Frames, of live streams and of clips each, that a worker takes on at once."""
    worker_clips: int = Field(default=4, ge=0)
    """Clips that a worker decodes itself, each in a process that may take `clip_memory_bytes`; of more, pixels come."""
    worker_clip_bytes: int = Field(default=4096 * MIB, ge=0)
    """On disk: these clips' files; what is beyond comes as pixels."""

    # Who may use it: a file of hashed API keys (`kinepose keys`); without one, everybody. TLS for HTTP and gRPC.
    api_keys_file: Path | None = None
    tls_cert_file: Path | None = None
    tls_key_file: Path | None = None

    # Frames in flight and micro-batches.
    max_pending_frames: int = Field(default=256, ge=1)
    max_pending_frames_per_key: int = Field(default=192, ge=1)
    max_pending_per_session: int = Field(default=32, ge=1)
    max_batch: int = Field(default=8, ge=1, le=256)
    batch_wait_ms: float = Field(default=2.0, ge=0, le=1000)
    clip_every: int = Field(default=4, ge=2)
    """While live frames and others (clips, searches) wait, at least one input of this many is one of the others."""
    stream_buffer: int = Field(default=4, ge=1)
    """Frames of one stream that wait before its drop policy acts."""
    stream_depth: int = Field(default=2, ge=1)
    """Frames of one stream in work at once: the next ones are decoded while this one is computed."""
    decode_threads: int = Field(default=2, ge=1)

    # Pictures and clips. What ends in `_per_key` is the share of one API key, where there are keys.
    max_image_bytes: int = Field(default=16 * MIB, ge=1)
    max_image_pixels: int = Field(default=40_000_000, ge=1)
    max_decoded_pixels: int = Field(default=160_000_000, ge=1)
    """Of pictures in memory that wait for the device, 3 bytes each; further ones wait to be decoded."""
    max_incoming_bytes: int = Field(default=256 * MIB, ge=1)
    """Of pictures in memory, from their first byte to their answer: single ones are refused, streams wait."""
    max_incoming_bytes_per_key: int = Field(default=128 * MIB, ge=1)
    max_body_bytes: int = Field(default=2048 * MIB, ge=1)
    max_clip_s: float = Field(default=3600.0, gt=0)
    max_clip_frames: int = Field(default=432_000, ge=1)
    """Pictures of one clip; the default is an hour at 120 a second."""
    clip_memory_bytes: int = Field(default=1024 * MIB, ge=64 * MIB)
    """What the process that reads a clip may take; pictures of 40 million pixels in H.264 take about half. One that
    draws an overlay may take twice as much."""
    max_uploads: int = Field(default=64, ge=1)
    """Clips that are being received; they take no place among `max_clip_jobs` before they are whole."""
    max_uploads_per_key: int = Field(default=8, ge=1)
    max_clip_jobs: int = Field(default=16, ge=1)
    """Clips that wait or are computed."""
    max_clip_jobs_per_key: int = Field(default=8, ge=1)
    max_running_clips: int = Field(default=4, ge=1)
    """Clips that are computed at once; the key with the fewest of them comes next."""
    max_running_clips_per_key: int = Field(default=3, ge=1)
    max_clip_results: int = Field(default=64, ge=1)
    """Results that are kept; above it, the oldest one of the key that has the most goes."""
    max_clip_results_per_key: int = Field(default=16, ge=1)
    max_clip_bytes: int = Field(default=32 * 1024 * MIB, ge=1)
    """On disk: clips, their results and overlays."""
    max_clip_bytes_per_key: int = Field(default=16 * 1024 * MIB, ge=1)
    min_free_disk_bytes: int = Field(default=MIB, ge=0)
    """Less than this where clips are kept, and the server takes none and is not ready."""
    clip_result_ttl_s: float = Field(default=3600.0, gt=0)

    # Webhooks, which tell that a clip job has finished; none without hosts.
    webhook_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """Where clients may have them sent: hooks.example.com,https://b.example:8443 (https where no scheme is said).
    Addresses that are private, loopback or link-local are refused, whatever the name."""
    webhook_inside_hosts: Annotated[tuple[str, ...], NoDecode] = ()
    """The same for hosts that may be at any address: http://10.0.0.7:9000,https://hooks.internal."""
    webhook_secrets_file: Path | None = None
    """Holds what signs them: lines of whsec_BASE64, or HOST whsec_BASE64. Read anew for each attempt."""
    webhook_attempts: int = Field(default=8, ge=1, le=20)
    webhook_retry_s: float = Field(default=5.0, gt=0)
    """Between the first two attempts; each further pause is three times as long. After `clip_result_ttl_s` it ends."""
    webhook_timeout_s: float = Field(default=10.0, gt=0, le=60)
    """How long one attempt may take; also, those that a shutdown cuts short, all together."""
    max_webhooks: int = Field(default=1024, ge=1)
    """Of clip jobs at work and of those that wait to be delivered; further jobs with one are refused."""
    max_webhooks_per_key: int = Field(default=256, ge=1)

    # Operation.
    drain_grace_s: float = Field(default=30.0, ge=0)
    ready_timeout_s: float = Field(default=5.0, gt=0)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"
    otlp_endpoint: str | None = None
    """Where traces go (OTLP over HTTP), such as http://collector:4318; none are made without it."""

    def address(self, port: int) -> str:
        """`host` and a port as URLs and gRPC targets have them: an IPv6 address in brackets."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    @field_validator("cors_origins", "webhook_hosts", "webhook_inside_hosts", mode="before")
    @classmethod
    def _split_origins(cls, origins: Any) -> Any:
        return (
            tuple(part.strip() for part in origins.split(",") if part.strip()) if isinstance(origins, str) else origins
        )

    @field_validator("cors_origins")
    @classmethod
    def _check_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            parts = urlsplit(origin)
            if origin != "*" and (
                parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != origin
            ):
                raise ValueError("expected origins such as https://a.example, without a path, or *")
        return origins

    @field_validator("webhook_hosts", "webhook_inside_hosts")
    @classmethod
    def _check_webhooks(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(host) for host in hosts)

    @field_validator("redis_url")
    @classmethod
    def _check_url(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            parse_redis_url(url.get_secret_value())
        except ValueError:
            # Its words may quote the password.
            raise ValueError(
                "expected redis://, rediss:// or unix:// with host and port, or path; or"
                " redis+cluster://HOST:PORT,HOST:PORT or redis+sentinel://HOST:PORT,HOST:PORT/NAME"
            ) from None
        return url

    @field_validator("advertised_url")
    @classmethod
    def _check_advertised(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        more = parts.query or parts.fragment or "@" in parts.netloc
        if parts.scheme not in ("http", "https") or not parts.hostname or more or parts.port == 0:
            raise ValueError("expected http://HOST:PORT or https://HOST:PORT")
        return url

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.device == "cuda" and self.runtime == "openvino":
            raise ValueError("device 'cuda' runs with runtime 'torch'; 'openvino' is for the CPU")
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_cert_file and tls_key_file go together")
        self._check_redis_tls()
        if (self.webhook_hosts or self.webhook_inside_hosts) and self.webhook_secrets_file is None:
            raise ValueError("webhook_hosts needs webhook_secrets_file: webhooks are signed")
        if self.max_decoded_pixels < 2 * self.max_image_pixels:
            raise ValueError(
                f"max_decoded_pixels ({self.max_decoded_pixels}) is below twice "
                f"max_image_pixels ({self.max_image_pixels})"
            )
        if self.session_ttl_s > self.max_session_ttl_s:
            raise ValueError(
                f"session_ttl_s ({self.session_ttl_s}) is above max_session_ttl_s ({self.max_session_ttl_s})"
            )
        if self.max_image_bytes > min(self.max_incoming_bytes, self.max_incoming_bytes_per_key):
            raise ValueError(
                f"max_image_bytes ({self.max_image_bytes}) is above max_incoming_bytes or max_incoming_bytes_per_key"
            )
        if self.max_pending_per_session > self.max_pending_frames:
            raise ValueError(
                f"max_pending_per_session ({self.max_pending_per_session}) is above "
                f"max_pending_frames ({self.max_pending_frames})"
            )
        return self

    def _check_redis_tls(self) -> None:
        if (self.redis_cert_file is None) != (self.redis_key_file is None):
            raise ValueError("redis_cert_file and redis_key_file go together")
        place = None if self.redis_url is None else parse_redis_url(self.redis_url.get_secret_value())
        encrypted = place is not None and place.encrypted
        if not encrypted and (self.redis_ca_file is not None or self.redis_cert_file is not None):
            raise ValueError("redis_ca_file and redis_cert_file are for a redis_url of rediss://")
        if self.redis_sentinel_password_file is not None and (place is None or place.topology is not Topology.SENTINEL):
            raise ValueError("redis_sentinel_password_file is for a redis_url of redis+sentinel://")


def _origin(host: str) -> str:
    """An origin with its port, of HOST, HOST:PORT or a whole origin."""
    text = host.lower() if "://" in host else f"https://{host.lower()}"
    try:
        parts = urlsplit(text)
        port = parts.port or {"https": 443, "http": 80}[parts.scheme]
        if not parts.hostname or f"{parts.scheme}://{parts.netloc}" != text or "@" in text or "*" in text:
            raise ValueError
    except (KeyError, ValueError):
        raise ValueError("expected hosts such as hooks.example.com or https://hooks.example.com:8443") from None
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{name}:{port}"
