"""What servers say of themselves between two moments: batch sizes and processor time."""

import math
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from bench.processes import cpu_seconds

TIMEOUT_S = 10.0
BATCH_SIZE = "kinepose_batch_size"
PROCESS_CPU = "process_cpu_seconds_total"


class NotTold(RuntimeError):
    """Metrics or processes that were named cannot be read; the message says which and why."""


@dataclass(slots=True)
class ServerCounts:
    """Sums over all servers since they began.

    Attributes:
        batches: micro-batches by the upper bound of their size; cumulative, as Prometheus counts.
        batched_frames: frames in all of them.
        cpu_s: processor time, seconds; None where nobody tells.
    """

    batches: Counter[float] = field(default_factory=Counter)
    batched_frames: float = 0.0
    cpu_s: float | None = None


async def server_counts(
    metrics_urls: Sequence[str],
    pids: Sequence[int],
    headers: dict[str, str],
    root_certificates: bytes | None = None,
) -> ServerCounts:
    """Ask all of them. Processor time is that of `pids` where some are given, else what the metrics tell.

    Args:
        headers: say who is asking.
        root_certificates: PEM of who may vouch for the servers; None takes this machine's.

    Raises:
        NotTold: one does not answer, or is not there.
    """
    counted = ServerCounts()
    trusted = ssl.create_default_context(cadata=root_certificates.decode("ascii")) if root_certificates else True
    async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S, verify=trusted) as http:
        for url in metrics_urls:
            try:
                answer = (await http.get(url)).raise_for_status()
            except httpx.HTTPError as error:
                raise NotTold(f"metrics: {error}") from error
            add_metrics(counted, answer.text)
    if pids:
        counted.cpu_s = sum(_cpu_of(pid) for pid in pids)
    return counted


def _cpu_of(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except OSError as error:
        raise NotTold(f"process {pid}: {error.strerror}") from error


def add_metrics(counted: ServerCounts, text: str) -> None:
    """Add what one server's /metrics tell, Prometheus's text form."""
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == PROCESS_CPU:
                counted.cpu_s = (counted.cpu_s or 0.0) + sample.value
            elif sample.name == f"{BATCH_SIZE}_bucket":
                counted.batches[float(sample.labels["le"])] += int(sample.value)
            elif sample.name == f"{BATCH_SIZE}_sum":
                counted.batched_frames += sample.value


def server_report(before: ServerCounts, after: ServerCounts, frames: int) -> dict[str, Any]:
    """What happened in between, `frames` good ones of which came back."""
    cpu_s = None if before.cpu_s is None or after.cpu_s is None else after.cpu_s - before.cpu_s
    return {
        "cpu_s": None if cpu_s is None else round(cpu_s, 3),
        "cpu_ms_a_frame": round(1000 * cpu_s / frames, 3) if cpu_s is not None and frames else None,
        "frames_per_s_per_core": round(frames / cpu_s, 2) if cpu_s else None,
        "batches": _batches(before, after),
    }


def _batches(before: ServerCounts, after: ServerCounts) -> dict[str, Any] | None:
    """Batches by size: up to each bound and above the one before. None where there were none."""
    bounds = sorted(after.batches)
    upto = [after.batches[bound] - before.batches[bound] for bound in bounds]
    if not upto or upto[-1] == 0:
        return None
    own = [count - below for count, below in zip(upto, [0, *upto], strict=False)]
    mean = (after.batched_frames - before.batched_frames) / upto[-1]
    sizes = {_name(bound): count for bound, count in zip(bounds, own, strict=True) if count}
    return {"count": upto[-1], "mean_size": round(mean, 3), "by_size_up_to": sizes}


def _name(bound: float) -> str:
    return "more" if math.isinf(bound) else f"{bound:g}"
