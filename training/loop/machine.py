"""What the machine makes of a run: its arithmetic and its memory."""

import ctypes
import platform
from pathlib import Path
from typing import Literal

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


def keep_memory() -> None:
    """Let glibc keep freed blocks: handing them back and faulting them in again took a third of every CPU step.

    Memory then never shrinks within a run. Elsewhere than on glibc nothing is changed.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL("libc.so.6")
    for parameter, value in ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, _PAD_BYTES)):
        libc.mallopt(parameter, value)
