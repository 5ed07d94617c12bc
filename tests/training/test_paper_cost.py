"""The methods' cost: what is timed on OpenVINO is the method itself."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from model.baselines.build import build_recurrence
from training.paper.cost import Later, compiled, cost_of, example_inputs
from training.paper.settings import CPU

CONFIG = replace(CPU.network, input_size=128, dim=16)


@pytest.mark.parametrize("method", ["kimnet", "lstm-pm", "dkd", "rpstn", "tce", "rpstn-kmm"])
def test_openvino_computes_what_torch_does(method: str) -> None:
    """Dynamic kernels and learnt offsets, too."""
    torch.manual_seed(0)
    recurrence = build_recurrence(method, CONFIG).eval().requires_grad_(False)
    module, inputs = Later(recurrence), example_inputs(CONFIG, recurrence.memory_channels)
    with torch.no_grad():
        expected = module(*inputs)
    found = compiled(module, inputs).infer([x.numpy() for x in inputs])
    for port, wanted in enumerate(expected):
        np.testing.assert_allclose(found[port], wanted.numpy(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", ["kimnet", "flow", "frame-by-frame"])
def test_a_state_is_maps_and_memory(method: str) -> None:
    """One byte a cell and channel; what OpenVINO cannot take is timed on torch, and said."""
    cost = cost_of(CONFIG, method)
    channels = {"kimnet": 30, "flow": 19, "frame-by-frame": 15}[method]
    assert cost.state_bytes == channels * 32 * 32
    assert cost.runtime == ("OpenVINO" if method == "kimnet" else "torch")
