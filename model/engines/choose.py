"""Which engine runs a network here."""

from typing import Literal

import torch

from model.engines.base import Engine
from model.engines.torch_engine import TorchEngine
from model.kimnet import KIMNet


def open_engine(
    network: KIMNet,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    runtime: Literal["auto", "openvino", "torch"] = "auto",
    precision: Literal["f32", "bf16"] = "f32",
) -> Engine:
    """An engine for this network, ready to infer.

    Args:
        network: on the CPU.
        device: "auto" is CUDA where torch finds it, else the CPU.
        runtime: "auto" is OpenVINO on the CPU and torch on CUDA.
        precision: "bf16" is faster where the device has it, and moves joints a little.

    Raises:
        ValueError: OpenVINO is asked for on CUDA.
        EngineError: the device is not there or does not take the network.
    """
    where = device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if runtime == "torch" or (runtime == "auto" and where == "cuda"):
        return TorchEngine(network, where, precision)
    if where == "cuda":
        raise ValueError("runtime openvino runs on device cpu only, got cuda")
    # Imported here: it takes a second, and a machine with CUDA does without.
    from model.engines.openvino_engine import OpenVINOEngine

    return OpenVINOEngine(network, precision)
