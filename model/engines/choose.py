"""Which engine runs a network that is in torch; `model.opened` opens weights, without torch where it can."""

from typing import Literal

import torch

from model.engines.base import Engine
from model.engines.openvino_convert import convert_kimnet
from model.engines.openvino_engine import OpenVINOEngine
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
    return OpenVINOEngine(network.config, convert_kimnet(network), precision)
