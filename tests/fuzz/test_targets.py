"""A short look with what `make fuzz` looks at for long: inputs that are kept, and some changed ones, of each target."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.corpus import FOLDER, inputs_of
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

CORPUS_BYTES = 200_000
EXAMPLES = {"clip": 20, "decoder": 20}
MOST_EXAMPLES = 120
PLACE = st.floats(0, 1, exclude_max=True)
Edit = tuple[float, float, bytes]
"""From here to there, as shares of what is there by then, stands something else."""
EDITS = st.lists(st.tuples(PLACE, PLACE, st.binary(max_size=8)), max_size=4)


def edited(data: bytes, edits: list[Edit]) -> bytes:
    """The data with pieces of it replaced: mostly short ones."""
    for where, length, new in edits:
        start = int(where * len(data))
        end = start + int(length**6 * (len(data) - start)) + (len(new) if length > 0.5 else 0)
        data = data[:start] + new + data[end:]
    return data


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_target_bears_what_is_kept(target: Target) -> None:
    """Whatever ever failed fails no more."""
    inputs = inputs_of(target)
    assert inputs
    for data in inputs:
        target.check(data)


@pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))
def test_a_target_bears_changed_inputs(target: Target) -> None:
    """The same ones in every run."""
    inputs = inputs_of(target)
    bounded = settings(
        max_examples=EXAMPLES.get(target.name, MOST_EXAMPLES),
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )

    @bounded
    @given(st.builds(edited, st.sampled_from(inputs), EDITS))
    def fuzzed(data: bytes) -> None:
        target.check(data)

    fuzzed()


def test_the_corpus_is_small_and_of_targets() -> None:
    """Each folder is a target's."""
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= CORPUS_BYTES
    assert {folder.name for folder in FOLDER.iterdir()} <= set(TARGETS)
