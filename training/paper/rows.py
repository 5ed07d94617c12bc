"""The networks of the paper's tables: each a method and the switches that its row turns."""

from dataclasses import dataclass

from model.config import EncoderName
from training.config import Switches

AS_THE_PAPER = Switches()


@dataclass(frozen=True, slots=True)
class Row:
    """One network. It is trained once, however many tables it stands in.

    Attributes:
        key: of its folder; title: its name in the tables.
        method: a name of `model.baselines.build.METHODS`.
        switches: what is otherwise than in the paper's KIMNet.
        encoder: another one than the scale's (Table III).
        note: what a reader has to know, "" where nothing.
    """

    key: str
    title: str
    method: str
    switches: Switches = AS_THE_PAPER
    note: str = ""
    encoder: EncoderName | None = None


_KIMNET = "kimnet"
_HEAD = Switches(initialiser="head")
"""Every frame is a first one: the features have to be enough for it."""

ROWS: tuple[Row, ...] = (
    Row("kimnet", "KIMNet", _KIMNET, note="eq. 9 by softmax, d = h w, as the text says"),
    Row("frame-by-frame", "frame by frame", "frame-by-frame", _HEAD, "a 1x1 head on every frame's features"),
    Row("rpstn", "RPSTN", "rpstn", note="without the two mistakes of its published code"),
    Row("dkd", "DKD", "dkd", note="our reading: no code is public"),
    Row("lstm-pm", "LSTM-PM", "lstm-pm", note="ConvNet3 one 5x5 layer of 64 channels"),
    Row("kimnet-linear", "linear", _KIMNET, Switches(kmm_norm="linear"), "eq. 9 as it is printed"),
    Row("kimnet-residual", "Residual", _KIMNET, Switches(residual=True)),
    Row("kimnet-heatmap", "Heatmap", _KIMNET, Switches(heatmap_relation=True)),
    Row("kimnet-no-d", "w/o-d", _KIMNET, Switches(kmm_scale="none")),
    Row("kimnet-share-qk", "Share-QK", _KIMNET, Switches(share_qk=True)),
    Row("rpstn-kmm", "RPSTN-KMM", "rpstn-kmm", note="how the prior meets the features is our reading"),
    Row("dkd-kmm", "DKD-KMM", "dkd-kmm", note="how the prior meets the features is our reading"),
    Row("lstm-pm-kmm", "LSTMPM-KMM", "lstm-pm-kmm", note="how the prior meets the features is our reading"),
    Row("kimnet-dkd", "KIMNet-DKD", "kimnet-dkd", note="KMM and fusion replaced by DKD's kernels"),
    Row("kimnet-jrpsp", "KIMNet-JRPSP", "kimnet-jrpsp", note="KMM and fusion replaced by JRPSP"),
    Row("frame-by-frame-jre", "frame by frame, JRE", "frame-by-frame-jre", _HEAD, "KIMNet's frame 1 at every frame"),
    Row("flow", "optical flow", "flow", note="DIS flow moves the last maps; fusion and decoder are KIMNet's"),
    Row("tce", "TCE", "tce", note="our reading, causal: five frames that end with the present one"),
    Row("k-fpn", "K-FPN", "k-fpn", note="our reading, causal, without the price on key frames"),
    Row(
        "kimnet-served",
        "KIMNet as served",
        _KIMNET,
        Switches(kmm_norm="linear", residual=True, jre_scale="hw", jre_own_start_norm=True),
        "the served switches; its relation begins at random here",
    ),
)
"""In the order in which they are run: those that most comparisons need come first."""


ENCODER_ROWS: tuple[Row, ...] = (
    Row("resnet50", "Res50", _KIMNET, encoder="resnet50"),
    Row("no-p", "w/o-P", _KIMNET, Switches(initialiser="head"), "a 1x1 head on frame 1's features", "resnet50"),
    Row("resnet18", "Res18", _KIMNET, encoder="resnet18"),
    Row("resnet34", "Res34", _KIMNET, encoder="resnet34"),
    Row("hourglass", "HG", _KIMNET, note="two stacks; the paper does not say how many", encoder="hourglass"),
    Row("hrnet", "HRNet", _KIMNET, note="HRNet-W32", encoder="hrnet_w32"),
)
"""Table III; P is the ResNet-101 of the full row in all of them but w/o-P."""


def row(key: str) -> Row:
    """The row of that key; KeyError where there is none."""
    found = {one.key: one for one in (*ROWS, *ENCODER_ROWS)}
    return found[key]
