"""`kinepose-train report`: measure everything and write report.json, report.md and report.html."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress

from model.values import Array
from training.commands import subject
from training.datasets import catalog
from training.datasets.person import Clip
from training.report.measure import Conditions, Effort, measure
from training.report.write import write
from training.teacher.blend import restyle_clips

_SPLITS = {
    "jhmdb": "the project's own split, training/datasets/jhmdb_split.json: no source video is in two parts",
    "sub-jhmdb": "sub-JHMDB (reconstructed): the official folds' clips that are at hand",
    "penn-action": "the official train flag",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    subject.add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    parser.add_argument("--stills", action="store_true", help="measure LSPET val and COCO val, too")
    parser.add_argument(
        "--restyle", type=Path, metavar="NPZ", help="with --stills: COCO val with labels in JHMDB's places, too"
    )
    parser.add_argument("--seeds", type=int, default=5, help="noise seeds of tracked figures (default %(default)s)")
    parser.add_argument("--pictures", action="store_true", help="show frames of the worst clips: not for others' eyes")
    parser.add_argument("--occlusion-stride", type=int, default=3, help="every n-th place of the curve; 0: no curve")
    parser.add_argument("--relation-stride", type=int, default=5, help="every n-th pair for W_r; 0: no map")


def run(args: argparse.Namespace) -> None:
    """Measure and write."""
    clips = list(catalog.read(args.data, args.dataset, args.part))
    stills = _stills(args) if args.stills else {}
    effort = Effort(args.occlusion_stride, args.relation_stride, seeds=args.seeds)
    with Progress() as bar:
        tasks: dict[str, object] = {}

        def tell(what: str, done: int, total: int) -> None:
            task = tasks.setdefault(what, bar.add_task(what, total=total) if what not in tasks else None)
            bar.update(task, completed=done)  # type: ignore[arg-type]

        content = measure(
            subject.open_subject(args), clips, stills, _conditions(args), subject.metric_options(args), effort, tell
        )
    for path in write(content, args.out, FramesOf(clips) if args.pictures else None):
        print(path)


def _stills(args: argparse.Namespace) -> dict[str, list[Clip]]:
    """Sets of single pictures by name."""
    coco = list(catalog.read(args.data, "coco", "val"))
    sets = {"LSPET val": list(catalog.read(args.data, "lspet", "val")), "COCO val": coco}
    return sets if args.restyle is None else sets | {"COCO val, JHMDB's places": restyle_clips(coco, args.restyle)}


class FramesOf:
    """Frames of clips by name and number, for the pictures of a report."""

    def __init__(self, clips: Sequence[Clip]) -> None:
        self._clips = {clip.name: clip for clip in clips}

    def __call__(self, clip: str, frame: int) -> Array:
        return self._clips[clip].frames[frame]


def _conditions(args: argparse.Namespace) -> Conditions:
    """With a command that gives the same numbers anywhere: folders of this machine stay out of a published page."""
    words = ["kinepose-train report --data DATA --out OUT"]
    words += [f"--model {args.model}"] if args.model != "kimnet-lite" else []
    words += [f"--dataset {args.dataset}"] if args.dataset != "jhmdb" else []
    words += [f"--part {args.part}"] if args.part != "test" else []
    words += ["--weights WEIGHTS"] if args.weights else []
    words += [f"--precision {args.precision}"] if args.precision != "f32" else []
    words += ["--stills"] if args.stills else []
    words += ["--restyle pseudo-labels.npz"] if args.restyle else []
    switches = {"alpha": 0.2, "impl": "clean", "torso_invalid": "legacy", "visibility": "visible"}
    strides = {"occlusion_stride": 3, "relation_stride": 5, "seeds": 5}
    for name, default in (switches | strides).items():
        if getattr(args, name) != default:
            words.append(f"--{name.replace('_', '-')} {getattr(args, name)}")
    return Conditions(args.dataset, args.part, _SPLITS.get(args.dataset, "as its authors divided it"), " ".join(words))
