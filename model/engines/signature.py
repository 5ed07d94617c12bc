"""What an engine's numbers depend on besides the weights: two engines of one signature give the same bits."""

from pathlib import Path

_MATTERS = ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "sve")
"""Instruction sets that runtimes choose their kernels, and so the order of their sums, by."""


def signature(
    runtime: str,
    version: str,
    device: str,
    precision: str,
    threads: int = 1,
    cpuinfo: Path = Path("/proc/cpuinfo"),
) -> str:
    """One line, e.g. "openvino 2026.4 cpu f32 avx2+fma".

    threads: that share a frame; where they are several they add up in another order.
    """
    shared = "" if threads == 1 else f" {threads} threads"
    return f"{runtime} {version} {device} {precision} {'+'.join(_instruction_sets(cpuinfo)) or 'unknown'}{shared}"


def _instruction_sets(cpuinfo: Path) -> list[str]:
    """Those of `_MATTERS` that this CPU has; none where the system does not say."""
    if not cpuinfo.exists():
        return []
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith(("flags", "Features"))), "")
    found = set(flags.partition(":")[2].split())
    return [name for name in _MATTERS if name in found]
