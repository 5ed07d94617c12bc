"""DKD (Nie et al. 2019): dynamic kernels carry what the last frame knew. Our reading: no code is public."""

from torch import Tensor, nn

from model.baselines.kernels import KernelPropagation
from model.baselines.layers import conv_bn
from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig
from model.kimnet_head import build_jre

CONVOLUTIONS = 3


class DKD(Recurrence):
    """Keeps the last features. m_1 = p_1; later maps come from the kernels alone.

    Args:
        decoder: a JRE after the maps, as in KIMNet-DKD (Table VI).
    """

    def __init__(self, config: KIMNetConfig, decoder: bool = False) -> None:
        super().__init__()
        self.memory_channels = config.dim
        self.v = conv_bn(config.dim, config.dim)
        self.propagate = KernelPropagation(config.joints, config.dim, config.separable, CONVOLUTIONS)
        self.jre: nn.Module = build_jre(config) if decoder else nn.Identity()

    def first(self, features: Features) -> tuple[Tensor, State]:
        m = self.jre(features.p)
        return m, State(m, self.v(features.f))

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        f = self.v(features.f)
        m = self.jre(self.propagate(state.m, state.memory.to(f.dtype), f))
        return m, State(m, f)
