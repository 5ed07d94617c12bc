"""Numbers on the command line; argparse tells what is wrong with them."""

import argparse
import math


def whole_number(text: str) -> int:
    """A whole number above 0."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return number


def positive(text: str) -> float:
    """A finite number above 0."""
    number = float(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return number


def not_negative(text: str) -> float:
    """A finite number from 0 on."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError("expected 0 or more")
    return number


def time_us(text: str) -> int:
    """A time in a clip, microseconds: seconds, or m:ss, or h:mm:ss, each with decimals."""
    parts = [not_negative(part) for part in text.split(":")]
    if len(parts) > 3 or any(part >= 60 for part in parts[1:]):
        raise argparse.ArgumentTypeError("expected seconds, m:ss or h:mm:ss")
    seconds = 0.0
    for part in parts:
        seconds = 60 * seconds + part
    return round(seconds * 1_000_000)
