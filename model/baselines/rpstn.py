"""RPSTN (Dang et al. 2022): JRPSP's dynamic kernels, and the joint relation extractor on every frame's maps.

After its published code: one BN for the joined maps and the features, one for the maps before and after the JRE, and
features of the first frame without their 1x1 convolution. What that code does by mistake (softmax over the wrong axis,
pixels scrambled) is switched by the config's `jre_softmax_dim` and `jre_layout`.
"""

from torch import Tensor, nn

from model.baselines.kernels import KernelPropagation
from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig
from model.jre import JRE, last_norm
from model.kimnet_head import build_jre

CONVOLUTIONS = 4


def relation_of_joints(config: KIMNetConfig) -> JRE:
    """RPSTN's JRE, whose last norm is shared and stands outside of it."""
    return JRE(config.joints, config.jre_softmax_dim, config.jre_layout, bn_after=False, scale=config.jre_scale)


class RPSTN(Recurrence):
    """Keeps the last features."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.memory_channels = config.dim
        self.v = nn.Conv2d(config.dim, config.dim, 1)
        self.norm = nn.BatchNorm2d(config.dim)
        self.propagate = KernelPropagation(config.joints, config.dim, config.separable, CONVOLUTIONS, self.norm)
        self.jre = relation_of_joints(config)
        self.norm_maps = last_norm(config.joints)

    def first(self, features: Features) -> tuple[Tensor, State]:
        m = self.norm_maps(self.jre(features.p))
        return m, State(m, features.f)

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        f = self.norm(self.v(features.f))
        raw = self.propagate(state.m, state.memory.to(f.dtype), f)
        m = self.norm_maps(self.jre(self.norm_maps(raw)))
        return m, State(m, f)


class KIMNetJRPSP(Recurrence):
    """Table VI: KIMNet with JRPSP in the place of KMM and its fusion, and KIMNet's own decoder."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.memory_channels = config.dim
        self.v = nn.Conv2d(config.dim, config.dim, 1)
        self.norm = nn.BatchNorm2d(config.dim)
        self.propagate = KernelPropagation(config.joints, config.dim, config.separable, CONVOLUTIONS, self.norm)
        self.norm_maps = last_norm(config.joints)
        self.jre = build_jre(config)

    def first(self, features: Features) -> tuple[Tensor, State]:
        m = self.jre(features.p, True)
        return m, State(m, features.f)

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        f = self.norm(self.v(features.f))
        m = self.jre(self.norm_maps(self.propagate(state.m, state.memory.to(f.dtype), f)))
        return m, State(m, f)
