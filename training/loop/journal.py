"""What a run tells while it runs: `log.jsonl`, TensorBoard, and a progress bar where there is a terminal."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tensorboardX import SummaryWriter
from torch import Tensor


class Journal:
    """Log of one stage. Rows hold the stage's name, the step, the rate, and each loss's mean since the last row."""

    def __init__(self, out: Path, stage: str, step: int, steps: int, every: int) -> None:
        self.path, self.stage, self.every = out / "log.jsonl", stage, every
        _forget_after(self.path, stage, step)
        self._board = SummaryWriter(str(out / "tensorboard" / stage), purge_step=step)
        self._sums: dict[str, float] = {}
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._task = self._bar.add_task(stage, total=steps, completed=step)

    def __enter__(self) -> "Journal":
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._board.close()

    def record(self, step: int, rate: float, losses: Mapping[str, Tensor]) -> None:
        """Take in the losses of a step that is done; `step` counts from 1."""
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        self._bar.update(self._task, completed=step)
        if step % self.every == 0:
            self._write(step, rate)

    def _write(self, step: int, rate: float) -> None:
        means = {name: total / self.every for name, total in self._sums.items()}
        row = {"stage": self.stage, "step": step, "rate": rate, **means}
        with self.path.open("a") as log:
            log.write(json.dumps(row) + "\n")
        for name, value in means.items():
            self._board.add_scalar(f"loss/{name}", value, step)
        self._board.add_scalar("rate", rate, step)
        self._sums = {}


def _forget_after(path: Path, stage: str, step: int) -> None:
    """Drop the rows that a killed run wrote after its last checkpoint: they will be written again."""
    if not path.exists():
        return
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    kept = [row for row in rows if row["stage"] != stage or row["step"] <= step]
    path.write_text("".join(json.dumps(row) + "\n" for row in kept))
