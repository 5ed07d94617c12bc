"""What the machine makes of a run: its arithmetic and its memory."""

import ctypes
import os
import platform
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["bf16-mixed", "16-mixed", "32-true"]

_FAST_BF16 = ("avx512_bf16", "amx_bf16")
"""Flags of CPUs that compute in bfloat16; on others it is emulated, five times slower than float32."""

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_PAD_BYTES = 256 << 20


def fitting_precision(wanted: Precision, accelerator: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> Precision:
    """The precision of a config, or float32 where that is bfloat16 and this CPU only emulates it."""
    if accelerator != "cpu" or wanted != "bf16-mixed":
        return wanted
    flags = cpuinfo.read_text().split() if cpuinfo.exists() else []
    return wanted if any(flag in flags for flag in _FAST_BF16) else "32-true"


def machine_name(device: torch.device) -> str:
    """The GPU's name, or the CPU's and how many of its cores this process may use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    counted = "1 core" if cores == 1 else f"{cores} cores"
    return f"{named[0] if named else platform.processor() or platform.machine()}, {counted}"


def keep_memory() -> None:
    """Let glibc keep freed blocks: handing them back and faulting them in again took a third of every CPU step.

    Memory then never shrinks within a run. Elsewhere than on glibc nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL("libc.so.6")
    for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _PAD_BYTES)):
        libc.mallopt(parameter, value)
