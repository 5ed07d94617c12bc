"""What figures were taken on, stated in every report."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2

PACKAGES = ("torch", "openvino", "simplejpeg", "numpy")


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, system, and the versions that matter."""
    return {
        "cpu": _cpu_name(),
        "cpus": len(os.sched_getaffinity(0)),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES} | {"opencv": cv2.__version__},
    }


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
