"""The joint relation extractor: an attention that still learns, and norms that know which frame they see."""

import numpy as np
import torch
from torch import Tensor, nn

from model.config import AttentionScale
from model.jre import JRE
from tests.support.blobs import blobs

SCALES: tuple[AttentionScale, AttentionScale] = ("none", "hw")


def _maps() -> Tensor:
    """Thirteen blobs of unit height [1, 13, 64, 64], apart from one another as joints are."""
    places = np.stack([np.arange(13) % 4, np.arange(13) // 4], axis=1) * 14.0 + 10.0
    return torch.from_numpy(blobs(places, 64))[None]


def _attention(jre: JRE, maps: Tensor) -> Tensor:
    """A [B, K, K], read off what G passes on: each joint's map of G is 1 for itself and 0 for others, one at a time."""
    nn.init.zeros_(jre.g.weight)
    columns: list[Tensor] = []
    hook = jre.w.register_forward_pre_hook(lambda module, inputs: columns.append(inputs[0][:, :, 0, 0]))
    for joint in range(13):
        with torch.no_grad():
            assert jre.g.bias is not None
            jre.g.bias.copy_(torch.eye(13)[joint])
        jre(maps)
    hook.remove()
    return torch.stack(columns, dim=-1)


def test_rows_of_the_attention_sum_to_one() -> None:
    """What is read off below is the attention."""
    torch.testing.assert_close(_attention(JRE(13, scale="hw"), _maps()).sum(dim=-1), torch.ones(1, 13))


def test_a_scaled_attention_does_not_saturate() -> None:
    """Unscaled, each joint's row holds itself alone; scaled as eq. 8 scales, every joint looks at all others."""
    unscaled, scaled = (_attention(JRE(13, scale=scale), _maps()).detach() for scale in SCALES)
    assert float(unscaled.amax(dim=-1).min()) > 0.99
    assert float(scaled.amax(dim=-1).max()) < 0.5
    assert float(scaled.min()) > 0.01


def test_a_saturated_attention_has_no_gradient_to_leave_by() -> None:
    """That is the fault; scaled, the maps feel how they are mixed."""
    slopes = []
    for scale in SCALES:
        maps = _maps().requires_grad_()
        _attention(JRE(13, scale=scale), maps).diagonal(dim1=1, dim2=2).sum().backward()  # type: ignore[no-untyped-call]
        assert maps.grad is not None
        slopes.append(float(maps.grad.abs().max()))
    assert slopes[1] > 10 * slopes[0]


def test_the_first_frame_has_a_norm_of_its_own() -> None:
    """Maps of t = 1 and of later frames keep their own statistics: neither is normalised by the other's."""
    jre = JRE(13, own_start_norm=True).train()
    for _ in range(200):
        jre(_maps() - 0.02, start=True)
        jre(_maps() + 0.51)
    assert isinstance(jre.start_norm, nn.BatchNorm2d)
    assert isinstance(jre.norm, nn.BatchNorm2d)
    first, later = jre.start_norm.running_mean, jre.norm.running_mean
    assert first is not None
    assert later is not None
    torch.testing.assert_close(later - first, torch.full((13,), 0.53), atol=1e-3, rtol=0)


def test_one_norm_for_both_is_still_to_be_had() -> None:
    """Without a norm of its own the first frame goes through that of all."""
    jre = JRE(13).eval()
    torch.testing.assert_close(jre(_maps(), start=True), jre(_maps()))
