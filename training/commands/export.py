"""`kinepose-train export`: a run's averaged weights to safetensors, graphs and a model card."""

import argparse
import shutil
from pathlib import Path

from model import zoo
from model.cards import card_to_markdown
from model.config import CONFIGS
from model.kimnet import KIMNet
from model.publish import publish
from training.config import bundled, config_path, read_config
from training.loop import checkpoint
from training.loop.checkpoint import Progress
from training.provenance import is_derived_from_movenet, provenance_of
from training.record.run_record import RunRecord, read_record
from training.record.unrecorded import Printed, reconstructed

NOTICE = "NOTICE"
"""Name of the file that goes with weights derived from MoveNet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument(
        "--run", dest="checkpoints", type=Path, action="append", required=True, help="last.pt; several are averaged"
    )
    parser.add_argument("--to", type=Path, required=True, help="folder, model/weights for the served models")
    parser.add_argument("--version", required=True)
    parser.add_argument("--note", dest="notes", action="append", default=[], help="a sentence more for the card")
    old = parser.add_argument_group("runs without a run.json", "which the card then says")
    old.add_argument("--config", help=f"their config: a YAML file, or one of: {', '.join(bundled())}")
    old.add_argument("--printed", type=Path, help="what `fit` printed: counts and precision are taken from it")


def run(args: argparse.Namespace) -> None:
    """Averaged weights to the zoo's form, with a card that has no figures yet.

    Of several runs the mean is taken: stages that start from one another lie in one valley, and their mean tracks
    better than the last alone.
    """
    records = [_record(path, args.config, args.printed) for path in args.checkpoints]
    [model, *others] = dict.fromkeys(record.model for record in records)
    if others:
        raise SystemExit(f"kinepose-train export: runs of several models: {', '.join([model, *others])}")
    turned = [record.switches for record in records if record.switches]
    if turned:
        raise SystemExit(f"kinepose-train export: {model} has no such switches where it is served: {turned[0]}")
    network = KIMNet(CONFIGS[model]).eval()
    network.load_state_dict(checkpoint.mean([checkpoint.averaged(path) for path in args.checkpoints]))
    args.to.mkdir(parents=True, exist_ok=True)
    provenance = provenance_of(records, args.version, _command(args), args.notes)
    card = publish(network, args.to / f"{model}.safetensors", provenance)
    (args.to / f"{model}.md").write_text(card_to_markdown(card))
    if any(map(is_derived_from_movenet, records)) and args.to.resolve() != zoo.BUNDLED.resolve():
        shutil.copyfile(zoo.BUNDLED / NOTICE, args.to / NOTICE)
    print(f"{model} {card.version}: {card.parameters} parameters, sha256 {card.sha256}")


def _record(path: Path, config: str | None, printed: Path | None) -> RunRecord:
    """The run's own record; where there is none, what the config and the checkpoint say."""
    found = read_record(path.parent)
    if found is not None:
        return found
    if config is None:
        raise SystemExit(f"kinepose-train export: {path.parent} has no run.json: name the run's config with --config")
    where = config_path(config)
    progress = Progress(**checkpoint.read(path)["progress"])
    lines = Printed.read(printed.read_text() if printed else "")
    return reconstructed(where.stem, where.read_text(), read_config(config), progress, lines)


def _command(args: argparse.Namespace) -> str:
    """Without folders of this machine."""
    words = ["--run RUN/last.pt"] * len(args.checkpoints)
    words += [f"--config {config_path(args.config).stem}"] if args.config else []
    return " ".join(["kinepose-train export", *words, f"--to WEIGHTS --version {args.version}"])
