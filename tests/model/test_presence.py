"""The presence head: a linear reading of the features, one logit a picture."""

import torch

from model.presence import Presence
from tests.model.small import DIM, random_clip, small_network


@torch.no_grad()
def test_it_reads_every_channels_mean_and_largest_value() -> None:
    """Against the sum written out."""
    head, features = Presence(3).double(), torch.randn(2, 3, 4, 5, dtype=torch.float64)
    weight, bias = head.linear.weight[0], head.linear.bias[0]
    for logit, planes in zip(head(features), features, strict=True):
        expected = bias + sum(weight[c] * plane.mean() + weight[3 + c] * plane.max() for c, plane in enumerate(planes))
        torch.testing.assert_close(logit, expected)


@torch.no_grad()
def test_it_does_not_care_where_somebody_is() -> None:
    """Features that are moved about give the same logit."""
    head, features = Presence(DIM), torch.randn(1, DIM, 8, 8)
    torch.testing.assert_close(head(features), head(features.roll((3, 2), dims=(2, 3))))


@torch.no_grad()
def test_every_picture_has_a_logit_of_its_own() -> None:
    """One a picture, whatever else is in the batch and whether it starts a session."""
    network, images = small_network(), random_clip(batch=3, frames=1)[:, 0]
    together = network.encode(images, torch.tensor([True, False, True])).presence
    assert together.shape == (3,)
    alone = torch.cat([network.encode(image[None]).presence for image in images])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    assert len(set(together.tolist())) == 3
