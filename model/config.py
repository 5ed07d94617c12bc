"""What a KIMNet is made of: one frozen record a model, with every switch that the paper leaves open."""

from dataclasses import dataclass, replace
from typing import Literal

from model.skeletons import KINEPOSE_13, Skeleton

EncoderName = Literal[
    "efficientnet_lite0",
    "movenet_thunder",
    "movenet_lightning",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "hourglass",
    "hrnet_w32",
]
FuseAct = Literal["bn_relu", "none"]
SoftmaxDim = Literal["last", "first"]
Layout = Literal["fixed", "rpstn"]
AttentionScale = Literal["none", "hw"]
Norm = Literal["softmax", "linear"]
Activation = Literal["relu", "sigmoid", "bn_relu", "none"]
Scale = Literal["hw", "joints", "dim", "none"]
InitialiserName = Literal["head", "zeros", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"]


@dataclass(frozen=True, slots=True)
class KIMNetConfig:
    """Configuration of a KIMNet.

    Attributes:
        name: the model's name in the zoo.
        encoder: backbone F that reads every frame.
        initialiser: what reads frame 1: a 1x1 head on F's features, zeros, or a whole pose network P.
        dim: channels D of the features.
        input_size: side of the square input, pixels; heatmaps have a quarter of it.
        separable: depthwise-separable Conv_g instead of a dense 3x3.
        kmm_*: eqs. 6-9; see model.kmm. kmm_heat_in: which maps of frame t the KMM carries on.
        share_qk: one projection for q and k (Table V, Share-QK).
        residual: m^p = W M + M (Table V, Residual).
        heatmap_relation: relate m_t with the first estimate of m_{t+1} instead of features (Table V, Heatmap).
        detach_prev: stop gradients between frames.
        fuse_act, jre_*: see model.fusion and model.jre.
    """

    name: str
    encoder: EncoderName
    initialiser: InitialiserName
    dim: int = 256
    input_size: int = 256
    skeleton: Skeleton = KINEPOSE_13
    separable: bool = False
    kmm_norm: Norm = "softmax"
    kmm_act: Activation = "relu"
    kmm_scale: Scale = "hw"
    kmm_heat_in: Literal["final", "fine", "prior"] = "final"
    share_qk: bool = False
    residual: bool = False
    heatmap_relation: bool = False
    detach_prev: bool = False
    fuse_act: FuseAct = "bn_relu"
    jre_softmax_dim: SoftmaxDim = "last"
    jre_layout: Layout = "fixed"
    jre_bn_after: bool = True
    jre_scale: AttentionScale = "none"
    jre_own_start_norm: bool = False

    def __post_init__(self) -> None:
        if self.input_size % 32:
            raise ValueError(f"input_size: expected a multiple of 32, got {self.input_size}")
        if self.kmm_norm == "linear" and self.kmm_act == "none":
            raise ValueError("kmm_norm 'linear' divides by a sum and needs kmm_act other than 'none'")
        if self.heatmap_relation and self.kmm_norm == "linear":
            raise ValueError("heatmap_relation relates maps that may be negative and needs kmm_norm 'softmax'")

    @property
    def joints(self) -> int:
        """K."""
        return len(self.skeleton)

    @property
    def heatmap_size(self) -> int:
        """Cells along one side of a heatmap."""
        return self.input_size // 4


KIMNET = KIMNetConfig(
    name="kimnet",
    encoder="movenet_thunder",
    initialiser="head",
    dim=64,
    separable=True,
    kmm_norm="linear",
    residual=True,
    jre_scale="hw",
    jre_own_start_norm=True,
)
"""The more exact of the served models."""

KIMNET_LITE = replace(KIMNET, name="kimnet-lite", encoder="movenet_lightning", input_size=192)
"""The lighter of the served models, a quarter of the arithmetic."""

KIMNET_R50 = KIMNetConfig(name="kimnet-r50", encoder="resnet50", initialiser="resnet101")
"""The paper's main network: initialiser ResNet-101, encoder ResNet-50."""

KIMNET_R18 = KIMNetConfig(name="kimnet-r18", encoder="resnet18", initialiser="resnet18")
"""The paper's network at a size that trains without a large GPU."""

CONFIGS = {config.name: config for config in (KIMNET, KIMNET_LITE, KIMNET_R18, KIMNET_R50)}
