"""KIMNet: pose of frame t+1 from its picture and what frame t left behind.

The network runs by `encode` (needs one frame only, so it batches over time and over sessions) and then by
`start` for a session's first frame or `recur` for every later one. Nothing recurrent stays on the module:
state goes in and comes out.
"""

from typing import NamedTuple

from torch import Tensor, nn

from model import kmm
from model.config import KIMNetConfig
from model.encoders.build import build_encoder, build_initialiser
from model.fusion import Fusion
from model.jre import JRE
from model.presence import Presence


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


class Maps(NamedTuple):
    """Result of one frame.

    Attributes:
        m: joint heatmaps [B, K, h, w], peak about 1.
        carry: the maps that the next frame reads, m unless config.kmm_heat_in says otherwise.
    """

    m: Tensor
    carry: Tensor


class KIMNet(nn.Module):
    """The network of a KIMNetConfig. Pictures are RGB in 0..255, [B, 3, S, S]; encoders normalise them."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.config = config
        k, d = config.joints, config.dim
        self.encoder = build_encoder(config.encoder, d)
        self.initialiser = _initialiser(config)
        self.to_key = kmm.Projection(d, k, config.kmm_act)
        self.to_query = self.to_key if config.share_qk else kmm.Projection(d, k, config.kmm_act)
        self.fusion = Fusion(k, d, config.separable, config.fuse_act)
        self.jre = JRE(
            k,
            config.jre_softmax_dim,
            config.jre_layout,
            config.jre_bn_after,
            config.jre_scale,
            config.jre_own_start_norm,
        )
        self.presence = Presence(d)

    def encode(self, images: Tensor, fresh: Tensor | None = None) -> Encoded:
        """Everything of a frame that needs no other frame.

        Args:
            images: [B, 3, S, S], RGB in 0..255.
            fresh: bool [B], rows that start a session (None: all). A separate initialiser runs on these only.
        """
        features = self.encoder(images)  # [B, D, h, w]
        p = self._initial_maps(images, features, fresh)
        return self.describe(features, p)

    def describe(self, features: Tensor, p: Tensor) -> Encoded:
        """q, k and g of features [B, D, h, w] (eq. 6 and half of eq. 4), and whether somebody is there."""
        key = p if self.config.heatmap_relation else self.to_key(features)
        return Encoded(self.to_query(features), key, self.fusion.project_features(features), p, self.presence(features))

    def start(self, p: Tensor) -> Maps:
        """t = 1: m_1 = JRE(m^p_1)."""
        return self._maps(prior=p, fine=p, start=True)

    def recur(self, q_prev: Tensor, k: Tensor, g: Tensor, m_prev: Tensor) -> Maps:
        """t > 1: KMM (eqs. 6-10), fusion (eq. 4), JRE (eq. 5). q_prev and m_prev lie in the current crop."""
        if self.config.detach_prev:
            q_prev, m_prev = q_prev.detach(), m_prev.detach()
        query = m_prev if self.config.heatmap_relation else q_prev
        weights = kmm.relation(query, k, self.relation_scale(k), self.config.kmm_norm)
        prior = kmm.carry(weights, m_prev)
        if self.config.residual:
            prior = prior + m_prev
        return self._maps(prior=prior, fine=self.fusion(prior, g))

    def relation_scale(self, k: Tensor) -> float:
        """sqrt(d) of eq. 8 for key maps of this size."""
        cells = k.shape[-1] * k.shape[-2]
        return kmm.scale_of(self.config.kmm_scale, cells, self.config.joints, self.config.dim)

    def _maps(self, prior: Tensor, fine: Tensor, start: bool = False) -> Maps:
        m = self.jre(fine, start)
        return Maps(m, {"final": m, "fine": fine, "prior": prior}[self.config.kmm_heat_in])

    def _initial_maps(self, images: Tensor, features: Tensor, fresh: Tensor | None) -> Tensor:
        if self.config.initialiser == "head":
            head: Tensor = self.initialiser(features)
            return head
        if self.config.initialiser != "zeros" and fresh is None:
            whole: Tensor = self.initialiser(images)
            return whole
        shape = (features.shape[0], self.config.joints, *features.shape[2:])
        p = features.new_zeros(shape)
        if self.config.initialiser == "zeros" or fresh is None or not bool(fresh.any()):
            return p
        return p.index_put((fresh,), self.initialiser(images[fresh]).to(p.dtype))


def _initialiser(config: KIMNetConfig) -> nn.Module:
    if config.initialiser == "head":
        return nn.Conv2d(config.dim, config.joints, 1)
    if config.initialiser == "zeros":
        return nn.Identity()
    return build_initialiser(config.initialiser, config.joints)
