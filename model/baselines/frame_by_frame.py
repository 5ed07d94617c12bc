"""No memory at all: every frame is read as a first one."""

from torch import Tensor, nn

from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig
from model.kimnet_head import build_jre


class FrameByFrame(Recurrence):
    """m_t = p_t, SimpleBaseline's way; with a decoder m_t = JRE(p_t), what KIMNet does to frame 1."""

    memory_channels = 0

    def __init__(self, config: KIMNetConfig, decoder: bool = False) -> None:
        super().__init__()
        self.jre: nn.Module = build_jre(config) if decoder else nn.Identity()

    def first(self, features: Features) -> tuple[Tensor, State]:
        m = self.jre(features.p)
        return m, State(m, m[:, :0])

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        return self.first(features)
