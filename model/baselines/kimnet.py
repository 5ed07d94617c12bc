"""KIMNet itself as a recurrence: what is compared is the very code that serves."""

from torch import Tensor

from model.baselines.recurrence import Features, Recurrence, State
from model.config import KIMNetConfig
from model.kimnet_head import KIMNetHead


class KIMNetRecurrence(Recurrence):
    """Keeps q_t beside the maps. With every switch of the config (Table V)."""

    def __init__(self, config: KIMNetConfig) -> None:
        super().__init__()
        self.memory_channels = config.joints
        self.head = KIMNetHead(config)

    def first(self, features: Features) -> tuple[Tensor, State]:
        maps = self.head.start(features.p)
        return maps.m, State(maps.carry, self.head.relate(features.f, features.p).q)

    def next(self, features: Features, state: State) -> tuple[Tensor, State]:
        now = self.head.relate(features.f, features.p)
        maps = self.head.recur(state.memory, now.k, now.g, state.m)
        return maps.m, State(maps.carry, now.q)
