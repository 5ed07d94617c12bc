"""What a trained row leaves behind of one fold and seed: its joints on every test frame, and how it was made."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from model.skeletons import SKELETONS
from model.values import Array
from training.config import Settings
from training.evaluation.metrics import ClipResult

META, JOINTS = "result.json", "joints.npz"


class Made(Settings):
    """How a row was made.

    Attributes:
        row, fold, seed: which; steps, batch: of its training.
        train_seconds, eval_seconds: wall time; of the training, since its last start.
        parameters: numbers that the row trains; memory_channels: C of its states, whose maps are K more.
        machine: where.
        skeleton: of the joints.
    """

    row: str
    fold: int
    seed: int
    steps: int
    batch: int
    train_seconds: float
    eval_seconds: float
    parameters: int
    memory_channels: int
    machine: str
    skeleton: str


def write(folder: Path, made: Made, results: Sequence[ClipResult]) -> None:
    """All or nothing: the result counts once its JSON is there."""
    arrays: dict[str, Array] = {}
    for number, result in enumerate(results):
        for name in ("joints", "truth", "boxes", "scores"):
            arrays[f"{number}/{name}"] = getattr(result, name).astype(np.float32)
        arrays[f"{number}/labelled"] = result.labelled
    arrays["names"] = np.array([result.name for result in results])
    unfinished = folder / f"unfinished-{JOINTS}"
    np.savez_compressed(unfinished, allow_pickle=False, **arrays)
    unfinished.replace(folder / JOINTS)
    (folder / f"unfinished-{META}").write_text(made.model_dump_json(indent=1))
    (folder / f"unfinished-{META}").replace(folder / META)


def is_there(folder: Path) -> bool:
    """Whether the row has been trained and evaluated."""
    return (folder / META).exists()


def read(folder: Path) -> tuple[Made, list[ClipResult]]:
    """What was written.

    Raises:
        FileNotFoundError: it is not there.
    """
    made = Made.model_validate_json((folder / META).read_text())
    skeleton = SKELETONS[made.skeleton]
    with np.load(folder / JOINTS, allow_pickle=False) as arrays:
        results = [
            ClipResult(
                name=str(name),
                action=str(name).partition("/")[0],
                joints=arrays[f"{number}/joints"],
                truth=arrays[f"{number}/truth"],
                labelled=arrays[f"{number}/labelled"],
                boxes=arrays[f"{number}/boxes"],
                scores=arrays[f"{number}/scores"],
                skeleton=skeleton,
            )
            for number, name in enumerate(arrays["names"])
        ]
    return made, results
