"""Depthwise convolution, kept in float32 on the CPU while training in bfloat16."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class DepthwiseConv(nn.Conv2d):
    """A kxk convolution of each channel by itself, [B, C, H, W] to [B, C, H/stride, W/stride].

    Args:
        same: TensorFlow's SAME padding for even inputs (more on the right and bottom), which the ImageNet
            weights of EfficientNet-Lite were trained with; symmetric otherwise.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1, same: bool = False, bias: bool = False) -> None:
        padding = 0 if same else kernel // 2
        super().__init__(channels, channels, kernel, stride, padding, groups=channels, bias=bias)
        self.same = same

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type == "cpu" and torch.is_autocast_enabled("cpu"):
            # oneDNN has no fast bfloat16 backward for depthwise 5x5: float32 takes half to a tenth of it.
            with torch.autocast("cpu", enabled=False):
                return self._convolve(x.float())
        return self._convolve(x)

    def _convolve(self, x: Tensor) -> Tensor:
        if self.same:
            x = same_pad(x, self.kernel_size[0], self.stride[0])
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)


def same_pad(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME padding of maps whose side is a multiple of the stride."""
    total = kernel - stride
    return F.pad(x, (total // 2, total - total // 2, total // 2, total - total // 2))
