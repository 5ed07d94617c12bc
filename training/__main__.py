"""`kinepose-train`: from data sets to served weights and their report.

inspect       what a data set on disk holds    -> counts, a contact sheet
pseudo-label  a teacher's pseudo-labels        -> labels.npz
fit           all stages of a config           -> RUN/last.pt, RUN/run.json, logs
finder        published weights of the finder -> movenet-multipose.safetensors and its model card
export        averaged weights of runs         -> NAME.safetensors, its graphs for OpenVINO and its model card
graphs        weights that have no graphs      -> NAME.openvino.zip, with which a CPU serves them without torch
evaluate      exported weights on whole clips  -> PCK table, optionally into the model card
people        several people, or nobody        -> id switches, IDF1, missed and false people
report        everything there is to measure   -> report.json, report.md, report.html
paper         all of the KIMNet paper         -> its tables and figures beside the published ones
folds         three folds of sub-JHMDB         -> the paper's table with our rows
"""

import argparse

from training.commands import evaluate, export, finder, fit, folds, graphs, inspect, paper, people, pseudo_label, report

_COMMANDS = {
    "inspect": (inspect, "count a data set and draw a contact sheet of it"),
    "pseudo-label": (pseudo_label, "make pseudo-labels with a published network"),
    "fit": (fit, "train; again after a kill, go on"),
    "export": (export, "a run's averaged weights to safetensors and a model card"),
    "finder": (finder, "the published weights of the finder to our form"),
    "graphs": (graphs, "OpenVINO graphs beside weights, so that they are served without torch"),
    "evaluate": (evaluate, "PCK of exported weights on whole clips"),
    "people": (people, "how several people are followed, and pictures without people read"),
    "report": (report, "PCK report as JSON, Markdown and HTML"),
    "paper": (paper, "train and measure the KIMNet paper's tables and figures; again after a kill, go on"),
    "folds": (folds, "the mean over the folds of sub-JHMDB beside the paper's rows"),
}


def main() -> None:
    """Parse the command line and run one command."""
    args = _parser().parse_args()
    args.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="kinepose-train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (command, summary) in _COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary)
        command.add_arguments(subparser)
        subparser.set_defaults(run=command.run)
    return parser


if __name__ == "__main__":
    main()
