"""The interface between tracking and a device."""

from dataclasses import dataclass
from typing import Protocol

from model.config import KIMNetConfig
from model.state import QuantisedMaps
from model.values import Array


@dataclass(frozen=True, slots=True, eq=False)
class ModelInput:
    """What the network needs of one frame.

    Attributes:
        image: uint8 [S, S, 3], RGB, the crop.
        q_prev, m_prev: float32 [K, h, w], the previous frame's maps in this frame's crop; both None at t = 1.
            Another method than KIMNet has its memory [C, h, w] in the place of q_prev.
    """

    image: Array
    q_prev: Array | None = None
    m_prev: Array | None = None

    def __post_init__(self) -> None:
        if (self.q_prev is None) != (self.m_prev is None):
            raise ValueError("ModelInput: q_prev and m_prev are given together or not at all")

    @property
    def fresh(self) -> bool:
        """True at t = 1: there is no previous frame."""
        return self.q_prev is None


@dataclass(frozen=True, slots=True, eq=False)
class ModelOutput:
    """What the network says of one frame; maps are float32 [K, h, w].

    Attributes:
        m: joint heatmaps.
        q: query maps, kept for the next frame.
        carry: the maps that the next frame reads; `m` itself unless the config says otherwise.
        presence: how probable it is that somebody is in the crop, 0 to 1.
        smooth: m as `heatmaps.smoothed` gives it, where the engine has made that, too.
        kept: q and carry as `state.quantise` gives them, where the engine has made that, too.
    """

    m: Array
    q: Array
    carry: Array
    presence: float
    smooth: Array | None = None
    kept: tuple[QuantisedMaps, QuantisedMaps] | None = None


class Engine(Protocol):
    """A loaded network on a device. `infer` blocks."""

    config: KIMNetConfig
    device: str
    signature: str
    """What its numbers depend on besides the weights, see `model.engines.signature`."""
    parallel: int
    """Threads that may call it at once."""

    def infer(self, inputs: list[ModelInput]) -> list[ModelOutput]:
        """One output for each input, in order; fresh and continuing frames may be mixed in a batch.

        Raises:
            EngineError: the device failed. No input is to blame; the worker should end if `sticky`.
        """
        ...


class EngineError(RuntimeError):
    """The device failed. `sticky`: it will not recover in this process (a CUDA context error, say)."""

    def __init__(self, message: str, *, sticky: bool) -> None:
        super().__init__(message)
        self.sticky = sticky
