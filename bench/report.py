"""A run's figures, as a JSON object and as tables for people."""

from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table

from bench.ledger import counts, error_codes, good_frames, latencies_s, milliseconds, people_a_frame
from bench.machine import machine
from bench.pacing import SATURATED_LAG_S
from bench.run import LoadRun, Plan, Target

MEASURES = (
    "latency of frames with outcome ok, milliseconds: from_due counts from when the frame was due (open loop, so that a"
    " stalled server shows), from_sent from when the transport took it"
)


def load_report(
    target: Target, plan: Plan, run: LoadRun, warm_up_s: float, server: dict[str, Any] | None
) -> dict[str, Any]:
    """All figures.

    Args:
        warm_up_s: frames due in the first so many seconds are counted, but not in the latencies.
        server: see `server_report`; None where no server was asked.
    """
    good = list(good_frames(run.ledgers, run.begin + warm_up_s))
    from_due, from_sent = latencies_s(good)
    return {
        "measures": MEASURES,
        "machine": machine(),
        "plan": {
            "transport": target.transport,
            "sessions": plan.sessions,
            "frames_per_s_a_session": plan.frames_per_s,
            "seconds": plan.seconds,
            "warm_up_s": warm_up_s,
            "drop_policy": plan.options.drop_policy.value,
            "deadline_ms": plan.deadline_ms,
            "max_people": plan.options.max_people,
            "clips": [footage.name for footage in plan.footage],
        },
        "frames": counts(run.ledgers),
        "people_a_frame": people_a_frame(good),
        "error_codes": error_codes(run.ledgers),
        "broken_sessions": [ledger.failure for ledger in run.ledgers if ledger.failure is not None],
        "latency_ms": {
            "frames": len(from_due),
            "from_due": milliseconds(from_due),
            "from_sent": milliseconds(from_sent),
        },
        "generator": _generator(run),
        "server": server,
    }


def _generator(run: LoadRun) -> dict[str, Any]:
    late_s = float(np.percentile(run.lags, 99)) if run.lags else 0.0
    return {
        "lag_ms": milliseconds(run.lags),
        "cpu_s": round(run.cpu_s, 3),
        "seconds": round(run.seconds, 3),
        "saturated": late_s > SATURATED_LAG_S,
    }


def faults(report: dict[str, Any]) -> list[str]:
    """What must not be, in sentences: nothing of it where the run is sound."""
    frames, found = report["frames"], []
    if frames["lost"]:
        found.append(f"{frames['lost']} frames were lost: they were sent and have no outcome")
    if frames["unexpected"]:
        found.append(f"{frames['unexpected']} answers were of no frame, or of one that had its answer")
    if report["broken_sessions"]:
        reasons = ", ".join(sorted(set(report["broken_sessions"])))
        found.append(f"{len(report['broken_sessions'])} sessions broke off ({reasons})")
    if not frames["ok"]:
        found.append("no frame was answered with joints")
    return found


def load_tables(report: dict[str, Any]) -> Group:
    """The report for people."""
    parts: list[Table | str] = [_latency_table(report), _frames_table(report)]
    if report["server"] is not None:
        parts.append(_server_table(report["server"]))
    if report["generator"]["saturated"]:
        lag = report["generator"]["lag_ms"]["p99"]
        parts.append(f"[bold]The load generator itself is saturated[/]: it was {lag} ms late (p99). Use less load.")
    return Group(*parts)


def _latency_table(report: dict[str, Any]) -> Table:
    plan = report["plan"]
    title = f"{plan['sessions']} sessions at {plan['frames_per_s_a_session']:g} frames/s over {plan['transport']}"
    table = Table("ms", "p50", "p95", "p99", "max", title=title, title_justify="left")
    rows = {
        "latency from due": report["latency_ms"]["from_due"],
        "latency from sent": report["latency_ms"]["from_sent"],
        "generator's lag": report["generator"]["lag_ms"],
    }
    for name, figures in rows.items():
        table.add_row(name, *(_figure(value) for value in figures.values()))
    return table


def _frames_table(report: dict[str, Any]) -> Table:
    table = Table("frames", "", title_justify="left")
    for name, count in report["frames"].items():
        if count or name == "lost":
            table.add_row(name.replace("_", " "), str(count))
    table.add_row("people a frame", _figure(report["people_a_frame"]))
    return table


def _server_table(server: dict[str, Any]) -> Table:
    table = Table("frames/s a core", "CPU ms a frame", "batches", "mean size", "by size up to", title="server")
    batches = server["batches"] or {"count": "-", "mean_size": "-", "by_size_up_to": {}}
    sizes = " ".join(f"{size}:{count}" for size, count in batches["by_size_up_to"].items())
    figures = (_figure(server["frames_per_s_per_core"]), _figure(server["cpu_ms_a_frame"]))
    table.add_row(*figures, str(batches["count"]), str(batches["mean_size"]), sizes or "-")
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
