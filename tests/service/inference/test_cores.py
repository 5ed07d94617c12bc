"""Cores that a process may use."""

import os
from pathlib import Path

import pytest

from service.inference.cores import available_cores


@pytest.mark.parametrize(
    ("text", "most"), [("100000 100000", 1), ("50000 100000", 1), ("max 100000", None), ("", None)]
)
def test_a_container_may_use_fewer_cores_than_there_are(tmp_path: Path, text: str, most: int | None) -> None:
    """As its quota says; where there is none, or none that is understood, all that it may run on."""
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert available_cores(quota) == (most or len(os.sched_getaffinity(0)))


def test_without_control_groups_all_cores_are_there(tmp_path: Path) -> None:
    """As on a system that has none."""
    assert available_cores(tmp_path / "missing") == len(os.sched_getaffinity(0))
