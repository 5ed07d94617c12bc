"""`kinepose models`: the models whose weights are on this machine."""

import argparse

from rich.console import Console
from rich.table import Table

from model import zoo
from model.cards import ModelCard
from service.cli.failures import CommandFailed
from service.cli.settings import settings_with

WIDTH_IN_A_PIPE = 240  # where no terminal sets a width, nothing is cut


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Print a table. CommandFailed where weights or a card are broken."""
    weights_dir = settings_with().weights_dir
    try:
        cards = [zoo.card(name, weights_dir) for name in zoo.names(weights_dir)]
    except zoo.BadWeights as error:
        raise CommandFailed(str(error)) from error
    if not cards:
        raise CommandFailed("there are no weights on this machine")
    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH_IN_A_PIPE)
    console.print(_table(cards))


def _table(cards: list[ModelCard]) -> Table:
    table = Table("name", "version", "skeleton", "GFLOP", "parameters", "PCK, %", "licence")
    for card in cards:
        measured = "\n".join(f"{measure}: {value:.1f}" for measure, value in card.pck.items())
        table.add_row(
            card.name,
            card.version,
            card.skeleton,
            f"{card.gflop:.2f}",
            f"{card.parameters / 1e6:.2f} M",
            measured or "not measured",
            card.licence,
        )
    return table
