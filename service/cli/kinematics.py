"""What `kinepose estimate` makes of joints, as options."""

import argparse

from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.numbers import not_negative, positive
from service.errors import BadRequest
from service.kinematics.process import SMOOTHERS, Wanted


def describe_kinematics(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    group = parser.add_argument_group(
        "kinematics",
        "made of the whole clip, beside the raw joints: in JSON, NDJSON, CSV and Parquet; TRC has the result",
    )
    group.add_argument(
        "--smooth",
        metavar="NAME[:VALUE]",
        type=_smoother,
        default=(None, None),
        help=f"{', '.join(SMOOTHERS)}; VALUE: cut-off in Hz (default: 6; the least one of one_euro: 1), or savgol's "
        "window in seconds (0.3)",
    )
    group.add_argument(
        "--reject-outliers", action="store_true", help="joints that jump away and back count as not seen"
    )
    group.add_argument(
        "--min-score", metavar="S", type=not_negative, default=0.0, help="so do joints with a lower score"
    )
    group.add_argument(
        "--fill-gaps", metavar="SECONDS", type=not_negative, default=0.0, help="bridge gaps up to so long"
    )
    group.add_argument("--angles", action="store_true", help="joint and segment angles, degrees (docs/kinematics.md)")
    group.add_argument("--height", metavar="M", type=positive, help="how tall people are: joints in metres")
    group.add_argument("--metres-per-pixel", metavar="M", type=positive, help="in place of it")


def kinematics_wanted(arguments: argparse.Namespace) -> Wanted:
    """What was asked for. CommandFailed where it does not fit together."""
    smooth, strength = arguments.smooth
    try:
        return Wanted(
            smooth=smooth,
            strength=strength,
            min_score=arguments.min_score,
            reject_outliers=arguments.reject_outliers,
            fill_gaps_s=arguments.fill_gaps,
            angles=arguments.angles,
            height_m=arguments.height,
            metres_per_pixel=arguments.metres_per_pixel,
        )
    except BadRequest as error:
        raise CommandFailed(str(error), BAD_INPUT) from error


def _smoother(text: str) -> tuple[str, float | None]:
    name, _, value = text.partition(":")
    if name not in SMOOTHERS:
        raise argparse.ArgumentTypeError(f"expected one of {', '.join(SMOOTHERS)}")
    return name, positive(value) if value else None
