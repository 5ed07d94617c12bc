"""What the machine makes of a run: the arithmetic that suits a CPU, and memory that glibc keeps."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from training.loop.machine import Precision, fitting_precision, machine_name

ROOT = Path(__file__).parents[2]

_KEEPS = """
import numpy as np
from training.loop.machine import keep_memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

keep_memory()
block = np.ones(100 << 20, np.uint8)
before = resident()
del block
print(before - resident())
"""


@pytest.mark.parametrize(
    ("flags", "accelerator", "wanted", "chosen"),
    [
        ("fpu avx512_bf16 avx512f", "cpu", "bf16-mixed", "bf16-mixed"),
        ("fpu amx_bf16", "cpu", "bf16-mixed", "bf16-mixed"),
        ("fpu avx2 avx512f", "cpu", "bf16-mixed", "32-true"),
        ("fpu avx2", "cuda", "bf16-mixed", "bf16-mixed"),
        ("fpu avx512_bf16", "cpu", "32-true", "32-true"),
    ],
)
def test_bfloat16_is_for_cpus_that_compute_in_it(
    tmp_path: Path, flags: str, accelerator: str, wanted: Precision, chosen: Precision
) -> None:
    """Elsewhere it is emulated, five times slower than float32; a GPU and other wishes are not changed."""
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    assert fitting_precision(wanted, accelerator, tmp_path / "cpuinfo") == chosen


def test_an_unknown_cpu_computes_in_float32(tmp_path: Path) -> None:
    """No /proc/cpuinfo, no claim."""
    assert fitting_precision("bf16-mixed", "cpu", tmp_path / "nowhere") == "32-true"


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no glibc")
def test_freed_memory_is_kept() -> None:
    """A block of 100 MB that was let go stays with the process, in a process of its own."""
    done = subprocess.run([sys.executable, "-c", _KEEPS], cwd=ROOT, check=True, timeout=240, capture_output=True)
    assert int(done.stdout) < 10 << 20


def test_a_cpu_is_named_with_its_cores() -> None:
    """What run records and cards say."""
    assert machine_name(torch.device("cpu")).rpartition(", ")[2].split()[1] in ("core", "cores")
