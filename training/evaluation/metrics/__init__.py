"""PCK of whole clips, with every switch that published numbers differ by.

clean (default)  whole videos, original pixels, every labelled joint weighs the same: `model.pck`
rpstn            the way of RPSTN's published code, to show what it does to a number (`.rpstn`)
"""

from collections.abc import Sequence

from model.pck import PCK
from training.evaluation.metrics import clean, rpstn
from training.evaluation.metrics.options import NORMALISERS, MetricOptions, Normaliser, in_words
from training.evaluation.metrics.result import ClipResult

__all__ = ["NORMALISERS", "ClipResult", "MetricOptions", "Normaliser", "in_words", "pck_of"]


def pck_of(results: Sequence[ClipResult], normaliser: Normaliser, options: MetricOptions | None = None) -> PCK:
    """PCK of clips by one normaliser, in percent; None for options means the clean protocol at alpha 0.2.

    Raises:
        ValueError: there are no results, or their shapes are not those of their skeleton.
    """
    if not results:
        raise ValueError("pck_of: expected results of at least one clip, got none")
    chosen = options or MetricOptions()
    if chosen.impl == "rpstn":
        return rpstn.pck_of(results, normaliser, chosen)
    return clean.pck_of(results, normaliser, chosen)
