"""Table IV: other networks with KIMNet's KMM in the place of their temporal module.

The paper does not say how the prior meets their features; here each network joins it by its own layers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model import kmm
from model.baselines.layers import conv_bn
from model.baselines.lstm_pm import REDUCED, PoseReader
from model.baselines.recurrence import Features, Recurrence, State
from model.baselines.rpstn import relation_of_joints
from model.config import KIMNetConfig
from model.jre import last_norm


class Relation(nn.Module):
    """KMM by itself: q and k of features [B, D, h, w], and the prior that they give (eqs. 6-10)."""

    def __init__(self, dim: int, config: KIMNetConfig) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        self.to_key = kmm.Projection(dim, config.joints, config.kmm_act)
        self.to_query = kmm.Projection(dim, config.joints, config.kmm_act)

    def prior(self, q_prev: Tensor, features: Tensor, m_prev: Tensor) -> Tensor:
        """m^p [B, K, h, w]."""
        k = self.to_key(features)
        scale = kmm.scale_of(self.config.kmm_scale, k.shape[-1] * k.shape[-2], self.config.joints, self.dim)
        return kmm.carry(kmm.relation(q_prev.to(k.dtype), k, scale, self.config.kmm_norm), m_prev.to(k.dtype))


class LSTMPMWithKMM(Recurrence):
    """LSTM-PM without its LSTM: ConvNet3 reads the prior and the 32 reduced features. Keeps q."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.memory_channels = config.joints
        self.reduce = conv_bn(config.dim, REDUCED)
        self.relation = Relation(REDUCED, config)
        self.read = PoseReader(config.joints + REDUCED, config)

    def first(self, features: Features) -> tuple[Tensor, State]:
        return self._read(features.p, F.relu(self.reduce(features.f)))

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        feat = F.relu(self.reduce(features.f))
        return self._read(self.relation.prior(state.memory, feat, state.m), feat)

    def _read(self, prior: Tensor, feat: Tensor) -> tuple[Tensor, State]:
        m = self.read(torch.cat([prior.to(feat.dtype), feat], dim=1))
        return m, State(m, self.relation.to_query(feat))


class DKDWithKMM(Recurrence):
    """DKD without its kernels: U reads BN(1x1([m^p; f])). Keeps q.

    Args:
        decoder: with RPSTN's JRE and its shared norm: RPSTN-KMM.
    """

    def __init__(self, config: KIMNetConfig, decoder: bool = False) -> None:
        super().__init__()
        self.memory_channels = config.joints
        self.v = conv_bn(config.dim, config.dim)
        self.relation = Relation(config.dim, config)
        self.join = conv_bn(config.joints + config.dim, config.dim)
        self.u = nn.Conv2d(config.dim, config.joints, 1)
        self.jre: nn.Module = relation_of_joints(config) if decoder else nn.Identity()
        self.norm_maps: nn.Module = last_norm(config.joints) if decoder else nn.Identity()

    def first(self, features: Features) -> tuple[Tensor, State]:
        m = self.norm_maps(self.jre(features.p))
        return m, State(m, self.relation.to_query(self.v(features.f)))

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        f = self.v(features.f)
        prior = self.relation.prior(state.memory, f, state.m)
        raw = self.u(F.relu(self.join(torch.cat([prior.to(f.dtype), f], dim=1))))
        m = self.norm_maps(self.jre(self.norm_maps(raw)))
        return m, State(m, self.relation.to_query(f))
