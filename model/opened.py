"""Weights opened on a device: on the CPU out of their OpenVINO graphs, without torch; else through torch."""

import ctypes
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from model import zoo
from model.cards import ModelCard
from model.config import CONFIGS
from model.engines.base import Engine, EngineError

Device = Literal["auto", "cpu", "cuda"]
Runtime = Literal["auto", "openvino", "torch"]
Precision = Literal["f32", "bf16"]


def open_model(
    name: str,
    weights_dir: Path | None = None,
    device: Device = "auto",
    runtime: Runtime = "auto",
    precision: Precision = "f32",
    parallel: int = 1,
    threads: int = 1,
) -> tuple[Engine, ModelCard]:
    """The model of that name (`model.zoo`), ready to infer, and its card.

    Args:
        device: "auto" is CUDA where this machine has a driver for it and torch finds a device, else the CPU.
        runtime, precision: as `model.engines.choose.open_engine`.
        parallel: threads that may call the engine at once, where that is OpenVINO's; another takes one at a time.
        threads: CPU threads that share a frame, likewise.

    Raises:
        UnknownModel, BadWeights: its weights are not here, or they or their graphs are not what their card says.
        NoGraphs: there are none beside its weights, and without torch none can be made.
        EngineError: the device is not there, or only torch runs on it, which is not installed.
        ValueError: OpenVINO is asked for on CUDA.
    """
    if runtime != "torch" and (device == "cpu" or (device == "auto" and not _has_cuda())):
        card, path = zoo.card(name, weights_dir), zoo.path_of(name, weights_dir)
        if facts := zoo.graph_facts(path):
            return _out_of_graphs(card, path, facts, precision, parallel, threads), card
        if not _has_torch():
            raise zoo.NoGraphs(
                f"{name}: there are no OpenVINO graphs beside its weights. Where torch is installed, "
                f"`kinepose-train graphs --model {name} --weights FOLDER` makes them"
            )
    return _through_torch(name, weights_dir, device, runtime, precision)


def _out_of_graphs(
    card: ModelCard, path: Path, facts: Mapping[str, str], precision: Precision, parallel: int, threads: int
) -> Engine:
    # Imported here: a frontend lists models and does without.
    from model.engines.openvino_engine import OpenVINOEngine
    from model.graph_file import read_graphs

    return OpenVINOEngine(CONFIGS[card.name], read_graphs(path, facts, card.sha256), precision, threads, parallel)


def _through_torch(
    name: str, weights_dir: Path | None, device: Device, runtime: Runtime, precision: Precision
) -> tuple[Engine, ModelCard]:
    if not _has_torch():
        raise EngineError(
            f"device {device}, runtime {runtime}: needs torch, which kinepose[cuda] installs", sticky=True
        )
    # Imported here: a server on the CPU has no torch.
    from model import weights_file
    from model.engines.choose import open_engine

    network, card = weights_file.load(name, weights_dir)
    return open_engine(network, device, runtime, precision), card


def _has_torch() -> bool:
    return importlib.util.find_spec("torch") is not None


def _has_cuda() -> bool:
    """Whether torch finds a CUDA device. It is asked only where the driver is there: it takes seconds to import."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    if not _has_torch():
        return False
    import torch

    return torch.cuda.is_available()
