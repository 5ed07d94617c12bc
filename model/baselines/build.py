"""From the name of a method to its recurrence."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from model.baselines.dkd import DKD
from model.baselines.flow import OpticalFlow
from model.baselines.frame_by_frame import FrameByFrame
from model.baselines.kfpn import KFPN
from model.baselines.kimnet import KIMNetRecurrence
from model.baselines.kmm_variants import DKDWithKMM, LSTMPMWithKMM
from model.baselines.lstm_pm import LSTMPM
from model.baselines.recurrence import Recurrence
from model.baselines.rpstn import RPSTN, KIMNetJRPSP
from model.baselines.tce import TCE
from model.config import KIMNetConfig

METHODS: Mapping[str, Callable[[KIMNetConfig], Recurrence]] = MappingProxyType(
    {
        "frame-by-frame": FrameByFrame,
        "frame-by-frame-jre": partial(FrameByFrame, decoder=True),
        "flow": OpticalFlow,
        "lstm-pm": LSTMPM,
        "dkd": DKD,
        "rpstn": RPSTN,
        "tce": TCE,
        "k-fpn": KFPN,
        "kimnet": KIMNetRecurrence,
        "lstm-pm-kmm": LSTMPMWithKMM,
        "dkd-kmm": DKDWithKMM,
        "rpstn-kmm": partial(DKDWithKMM, decoder=True),
        "kimnet-dkd": partial(DKD, decoder=True),
        "kimnet-jrpsp": KIMNetJRPSP,
    }
)
"""Every method by its name; what else it needs to know stands in the config."""


def build_recurrence(method: str, config: KIMNetConfig) -> Recurrence:
    """The recurrence of that name.

    Raises:
        ValueError: there is no such method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method}; there are {', '.join(METHODS)}")
    return METHODS[method](config)
