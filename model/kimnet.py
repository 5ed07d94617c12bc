"""KIMNet: pose of frame t+1 from its picture and what frame t left behind.

The network runs by `encode` (needs one frame only, so it batches over time and over sessions) and then by
`start` for a session's first frame or `recur` for every later one. Nothing recurrent stays on the module:
state goes in and comes out.
"""

from typing import NamedTuple

from torch import Tensor

from model.config import KIMNetConfig
from model.encoders.build import build_encoder
from model.initialisers import initial_maps, make_initialiser
from model.kimnet_head import KIMNetHead, Maps
from model.presence import Presence

__all__ = ["Encoded", "KIMNet", "Maps"]


class Encoded(NamedTuple):
    """What one frame contributes.

    Attributes:
        q: query maps [B, K, h, w]; the next frame needs them.
        k: key maps [B, K, h, w]; this frame's side of the relation.
        g: features through their half of Conv_g [B, D, h, w].
        p: raw initial maps m^p_1 [B, K, h, w], meaningful in rows that start a session.
        presence: how sure the network is that somebody is in the crop, a logit [B].
    """

    q: Tensor
    k: Tensor
    g: Tensor
    p: Tensor
    presence: Tensor


class KIMNet(KIMNetHead):
    """The network of a KIMNetConfig. Pictures are RGB in 0..255, [B, 3, S, S]; encoders normalise them."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__(config)
        self.encoder = build_encoder(config.encoder, config.dim)
        self.initialiser = make_initialiser(config)
        self.presence = Presence(config.dim)

    def encode(self, images: Tensor, fresh: Tensor | None = None) -> Encoded:
        """Everything of a frame that needs no other frame.

        Args:
            images: [B, 3, S, S], RGB in 0..255.
            fresh: bool [B], rows that start a session (None: all). A separate initialiser runs on these only.
        """
        features = self.encoder(images)  # [B, D, h, w]
        p = initial_maps(self.config, self.initialiser, images, features, fresh)
        return self.describe(features, p)

    def describe(self, features: Tensor, p: Tensor) -> Encoded:
        """q, k and g of features [B, D, h, w] (eq. 6 and half of eq. 4), and whether somebody is there."""
        q, k, g = self.relate(features, p)
        return Encoded(q, k, g, p, self.presence(features))
