"""Model cards: what a set of weights is, where it came from, how well it does."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What only the one who trained can say of a set of weights.

    Attributes:
        version: version of the weights.
        licence: licence of the weights, an SPDX name where there is one.
        data: what they were trained on, one sentence.
        data_licences: data set -> its licence or terms of use.
        split: which split file and which part of it was trained on and measured on.
        command: the command that made them.
        pck: measure -> PCK in percent, e.g. "jhmdb_test_person@0.2".
        pck_per_joint: measure -> joint -> PCK in percent.
        notes: what a reader should know besides: limits, known failures.
    """

    version: str
    licence: str
    data: str
    data_licences: dict[str, str] = field(default_factory=dict)
    split: str = ""
    command: str = ""
    pck: dict[str, float] = field(default_factory=dict)
    pck_per_joint: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard(Provenance):
    """Provenance, and what can be read off the network itself.

    Attributes:
        name: the model's name in the zoo, that of its config.
        skeleton: name of its skeleton.
        input_size: side of the square input, pixels.
        gflop: 10^9 FLOP a frame after the first (a multiply-add is 2 FLOP).
        parameters: number of trained numbers.
        sha256: of the weights file, 64 hexadecimal digits.
    """

    name: str
    skeleton: str
    input_size: int
    gflop: float
    parameters: int
    sha256: str
