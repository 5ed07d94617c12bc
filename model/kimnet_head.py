"""Everything of KIMNet that comes after its features: relation, fusion and decoder (eqs. 4-10)."""

from typing import NamedTuple

from torch import Tensor, nn

from model import kmm
from model.config import KIMNetConfig
from model.fusion import Fusion
from model.jre import JRE


class Described(NamedTuple):
    """What one frame's features contribute.

    Attributes:
        q: query maps [B, K, h, w]; the next frame needs them.
        k: key maps [B, K, h, w]; this frame's side of the relation.
        g: features through their half of Conv_g [B, D, h, w].
    """

    q: Tensor
    k: Tensor
    g: Tensor


class Maps(NamedTuple):
    """Result of one frame.

    Attributes:
        m: joint heatmaps [B, K, h, w], peak about 1.
        carry: the maps that the next frame reads, m unless config.kmm_heat_in says otherwise.
        prior: m^p [B, K, h, w], what the last frame said of this one; at t = 1 the initial maps.
    """

    m: Tensor
    carry: Tensor
    prior: Tensor


class KIMNetHead(nn.Module):
    """From features [B, D, h, w] to joint maps [B, K, h, w], frame by frame; state goes in and comes out."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.config = config
        k, d = config.joints, config.dim
        if config.heatmap_relation:
            self.estimate = nn.Conv2d(d, k, 1) if config.initialiser != "head" else None
        else:
            self.to_key = kmm.Projection(d, k, config.kmm_act)
            self.to_query = self.to_key if config.share_qk else kmm.Projection(d, k, config.kmm_act)
        self.fusion = Fusion(k, d, config.separable, config.fuse_act)
        self.jre = build_jre(config)

    def relate(self, features: Tensor, p: Tensor) -> Described:
        """q, k and g of features [B, D, h, w] (eq. 6 and half of eq. 4); p are raw maps of the frame, where it has any.

        With `heatmap_relation` both are joint maps as they leave the decoder. Those of the current frame are not known
        yet: its own first estimate, decoded as frame 1 is, stands for them.
        """
        g = self.fusion.project_features(features)
        if not self.config.heatmap_relation:
            return Described(self.to_query(features), self.to_key(features), g)
        first = self.jre(p if self.estimate is None else self.estimate(features), start=True)
        return Described(first, first, g)

    def start(self, p: Tensor) -> Maps:
        """t = 1: m_1 = JRE(m^p_1)."""
        return self._maps(prior=p, fine=p, start=True)

    def recur(self, q_prev: Tensor, k: Tensor, g: Tensor, m_prev: Tensor) -> Maps:
        """t > 1: KMM (eqs. 6-10), fusion (eq. 4), JRE (eq. 5). q_prev and m_prev lie in the current crop."""
        if self.config.detach_prev:
            q_prev, m_prev = q_prev.detach(), m_prev.detach()
        prior = kmm.carry(self.weights(q_prev, k, m_prev), m_prev)
        if self.config.residual:
            prior = prior + m_prev
        return self._maps(prior=prior, fine=self.fusion(prior, g))

    def weights(self, q_prev: Tensor, k: Tensor, m_prev: Tensor) -> Tensor:
        """W_r [B, K, K] of two frames: rows are current joints, columns previous ones."""
        query = m_prev if self.config.heatmap_relation else q_prev
        return kmm.relation(query, k, self.relation_scale(k), self.config.kmm_norm)

    def relation_scale(self, k: Tensor) -> float:
        """sqrt(d) of eq. 8 for key maps of this size."""
        cells = k.shape[-1] * k.shape[-2]
        return kmm.scale_of(self.config.kmm_scale, cells, self.config.joints, self.config.dim)

    def _maps(self, prior: Tensor, fine: Tensor, start: bool = False) -> Maps:
        m = self.jre(fine, start)
        return Maps(m, {"final": m, "fine": fine, "prior": prior}[self.config.kmm_heat_in], prior)


def build_jre(config: KIMNetConfig) -> JRE:
    """The decoder that a config describes."""
    return JRE(
        config.joints,
        config.jre_softmax_dim,
        config.jre_layout,
        config.jre_bn_after,
        config.jre_scale,
        config.jre_own_start_norm,
    )
