"""What a network costs: numbers that it holds and arithmetic that it does a frame."""

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from model.kimnet import KIMNet


def parameters(network: nn.Module) -> int:
    """Trained numbers of the network."""
    return sum(p.numel() for p in network.parameters())


def gflop(network: KIMNet) -> float:
    """10^9 FLOP of one frame after a session's first; a multiply-add is 2 FLOP.

    Counts convolutions and matrix products, as is usual. A separate initialiser runs on first frames only
    and is left out.
    """
    config, device = network.config, next(network.parameters()).device
    image = torch.zeros(1, 3, config.input_size, config.input_size, device=device)
    was_training = network.training
    network.eval()
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            encoded = network.encode(image, fresh=torch.zeros(1, dtype=torch.bool, device=device))
            network.recur(encoded.q, encoded.k, encoded.g, torch.zeros_like(encoded.q))
    finally:
        network.train(was_training)
    return float(counter.get_total_flops()) / 1e9
