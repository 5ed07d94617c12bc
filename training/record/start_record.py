"""What a run starts from, written down."""

from pathlib import Path

from training.config import RunConfig
from training.loop import checkpoint
from training.record.recorder import file_record
from training.record.run_record import FileRecord, StartRecord, read_record
from training.record.terms import EFFICIENTNET, MOVENET, SIMPLE_BASELINE
from training.starts.start import Weights, imagenet_path
from training.teacher.movenet import weight_files


def start_record(config: RunConfig, weights: Weights) -> StartRecord:
    """What `training.starts.start.start` reads for that config.

    Raises:
        GraphError, OSError: a file cannot be read.
    """
    if config.start == "movenet" and weights.movenet is not None:
        files = [weights.movenet, *weight_files(weights.movenet)]
        return StartRecord(kind="movenet", files=_digests(files), terms=MOVENET)
    if config.start == "imagenet":
        return StartRecord(kind="imagenet", files=_digests([imagenet_path()]), terms=EFFICIENTNET)
    if config.start == "file" and weights.network is not None:
        return _from_file(weights.network, weights.initialiser)
    return StartRecord(kind=config.start)


def _from_file(network: Path, initialiser: Path | None) -> StartRecord:
    if checkpoint.is_run(network):
        return StartRecord(kind="file", files=_digests([network]), parent=read_record(network.parent))
    files = [network] if initialiser is None else [network, initialiser]
    return StartRecord(kind="file", files=_digests(files), terms=SIMPLE_BASELINE)


def _digests(files: list[Path]) -> list[FileRecord]:
    return [file_record(path) for path in files]
