"""What an operator watches, in a registry that is passed around. Nothing is labelled by session."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

MILLISECOND_BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
STATE_BUCKETS = (0.00001, 0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0)
BATCH_BUCKETS = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 128, 256)
PEOPLE_BUCKETS = (0, 1, 2, 3, 4, 6, 8, 12, 16)


class Metrics:
    """The service's metrics. Two instances never share anything, so two servers may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.frames = Counter(
            "kinepose_frames",
            "Frames answered, by transport and outcome (ok, dropped, expired, error, cancelled).",
            ["transport", "outcome"],
            registry=self.registry,
        )
        self.frame_latency = Histogram(
            "kinepose_frame_latency_seconds",
            "From the whole frame received to its answer, by transport.",
            ["transport"],
            buckets=MILLISECOND_BUCKETS,
            registry=self.registry,
        )
        self.queue_duration = self._seconds("queue_duration", "From a frame's turn to its micro-batch.")
        self.compute_duration = Histogram(
            "kinepose_compute_duration_seconds",
            "Computation by stage: decode (one frame) or step (one micro-batch).",
            ["stage"],
            buckets=MILLISECOND_BUCKETS,
            registry=self.registry,
        )
        self.batch_size = Histogram(
            "kinepose_batch_size", "Frames in a micro-batch.", buckets=BATCH_BUCKETS, registry=self.registry
        )
        self.state_io = Histogram(
            "kinepose_state_io_duration_seconds",
            "Session store, by operation (hold, checkout, commit, spend).",
            ["op"],
            buckets=STATE_BUCKETS,
            registry=self.registry,
        )
        self._add_people()
        self._add_counts()

    def _add_people(self) -> None:
        """Of the frames that were computed here."""
        self.people = Histogram("kinepose_people", "People in a frame.", buckets=PEOPLE_BUCKETS, registry=self.registry)
        self.finder = self._seconds("finder", "One look of the finder at a whole frame; a part of a step.")
        self.tracks_started = Counter("kinepose_tracks_started", "People who got a number.", registry=self.registry)
        self.tracks_ended = Counter(
            "kinepose_tracks_ended",
            "People whose number ended while their session went on, by reason (lost, replaced, merged, scene_cut).",
            ["reason"],
            registry=self.registry,
        )

    def _add_counts(self) -> None:
        self.pending_frames = Gauge("kinepose_pending_frames", "Frames in flight.", registry=self.registry)
        self.sessions_active = Gauge("kinepose_sessions_active", "Sessions held.", registry=self.registry)
        self.sessions_limit = Gauge(
            "kinepose_sessions_limit", "Sessions held at once, at most.", registry=self.registry
        )
        self.sessions_closed = Counter(
            "kinepose_sessions_closed", "Sessions ended, by reason.", ["reason"], registry=self.registry
        )
        self.state_cas_conflicts = Counter(
            "kinepose_state_cas_conflicts",
            "Commits that lost the race for their session.",
            registry=self.registry,
        )
        self.auth_failures = Counter(
            "kinepose_auth_failures",
            "Calls refused, by reason (unauthenticated, forbidden, rate_limited).",
            ["reason"],
            registry=self.registry,
        )
        self.webhooks = Counter(
            "kinepose_webhooks",
            "Webhooks by outcome (delivered, gone, given_up, lost), and attempts that failed (failed).",
            ["outcome"],
            registry=self.registry,
        )
        self.webhooks_pending = Gauge(
            "kinepose_webhooks_pending", "Webhooks that are sent, or wait to be sent again.", registry=self.registry
        )
        self._add_queue()

    def _add_queue(self) -> None:
        """Between frontends and workers; all zero where one process does both."""
        self.workers_alive = Gauge("kinepose_workers_alive", "Workers heard of lately.", registry=self.registry)
        self.stream_frames = Gauge(
            "kinepose_stream_frames",
            "Frames in Redis that are not answered, of all frontends, by line (live, clip).",
            ["line"],
            registry=self.registry,
        )
        self.frames_claimed = Counter(
            "kinepose_frames_claimed", "Frames taken over from a worker that died.", registry=self.registry
        )
        self.frames_asked_again = Counter(
            "kinepose_frames_asked_again", "Frames sent to the workers anew, their answer lost.", registry=self.registry
        )

    def _seconds(self, name: str, text: str) -> Histogram:
        return Histogram(f"kinepose_{name}_seconds", text, buckets=MILLISECOND_BUCKETS, registry=self.registry)
