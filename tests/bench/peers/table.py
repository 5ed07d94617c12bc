"""The report as Markdown: ratios first, then the figures that they are of."""

from typing import Any

_HEADS = (
    "subject",
    "threads",
    "CPU, times full's",
    "wall, times full's",
    "CPU ms a frame",
    "wall ms a frame",
    "between frames p50 / p99, ms",
    "first joints, s",
    "start, CPU s",
    "RSS, MB",
    "PCK@0.2 person / torso",
)


def table(report: dict[str, Any]) -> str:
    """A row for each subject and number of threads; PCK alone where nothing was timed."""
    if not report["runs"]:
        rows = [[name, _pck(report, name)] for name in report["pck"]]
        return _markdown(["subject", _HEADS[-1]], rows)
    of = {(row["name"], row["threads"]): row for row in report["runs"]}
    return _markdown(
        _HEADS, [_row(row, of.get((report["reference"], row["threads"])), report) for row in report["runs"]]
    )


def _row(row: dict[str, Any], reference: dict[str, Any] | None, report: dict[str, Any]) -> list[str]:
    ratios = [f"{row[key] / reference[key]:.2f}" if reference else "" for key in ("cpu_ms", "wall_ms")]
    return [
        row["name"],
        str(row["threads"]),
        *ratios,
        f"{row['cpu_ms']:.1f}",
        f"{row['wall_ms']:.1f}",
        f"{row['interval_p50_ms']:.1f} / {row['interval_p99_ms']:.1f}",
        f"{row['first_s']:.2f}",
        f"{row['start_cpu_s']:.2f}",
        f"{row['rss_mb']:.0f}",
        _pck(report, row["name"]),
    ]


def _pck(report: dict[str, Any], name: str) -> str:
    found = report["pck"].get(name)
    return f"{found['person']:.1f} / {found['torso']:.1f}" if found else ""


def _markdown(heads: "list[str] | tuple[str, ...]", rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
