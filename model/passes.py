"""Work that takes several passes through the network: generators that ask for inputs to be read.

Whoever drives them pass by pass can put the inputs of many sessions into one batch, let other frames in between, and
give up what is no longer wanted.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from model.engines.base import ModelInput, ModelOutput
from model.finder.decode import Person17
from model.values import Array

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class WholePicture:
    """A whole frame for the finder.

    Attributes:
        image: uint8 [S, S, 3], RGB, letterboxed; S is the finder's own.
    """

    image: Array


Want = ModelInput | WholePicture
Answer = ModelOutput | list[Person17]
"""A ModelOutput for a ModelInput; people for a WholePicture."""

Passes = Generator[Sequence[Want], Sequence[Answer], T]
"""Hands out the inputs of its next pass, takes their answers in order, and returns a T in the end."""

WINDOWS_A_PASS = 2
"""Inputs of one frame in a batch at most: another session's frame waits for no more than these."""


class FrameWork(Generic[T]):
    """A frame under way: what it wants read next, and in the end its answer or its failure.

    Attributes:
        wants: inputs that are to be read before it goes on; empty once it is done.
    """

    def __init__(self, passes: Passes[T]) -> None:
        self._passes = passes
        self._answer: T | Exception | None = None
        self._read: list[Answer] = []
        self.wants: Sequence[Want] = []
        self._go_on(None)

    @property
    def done(self) -> bool:
        """Whether there is an answer."""
        return self._answer is not None

    @property
    def inputs(self) -> int:
        """How many inputs it wants. A picture for the finder costs as much as the most that a frame may want."""
        finder = any(isinstance(want, WholePicture) for want in self.wants)
        return WINDOWS_A_PASS if finder else len(self.wants)

    def resume(self, outputs: Sequence[Answer]) -> None:
        """Hand in outputs of the first of its wants; once it has them all, it runs to the next ones or to its end."""
        self._read += outputs
        self.wants = self.wants[len(outputs) :]
        if not self.wants:
            read, self._read = self._read, []
            self._go_on(read)

    def _go_on(self, outputs: Sequence[Answer] | None) -> None:
        try:
            self.wants = next(self._passes) if outputs is None else self._passes.send(outputs)
        except StopIteration as end:
            self.wants, self._answer = [], end.value
        except Exception as failure:  # this frame's own: its neighbours go on
            self.wants, self._answer = [], failure

    def answer(self) -> T | Exception:
        """The result, once it is done."""
        assert self._answer is not None
        return self._answer


def read_crops(inputs: Sequence[ModelInput]) -> Passes[list[ModelOutput]]:
    """These inputs in one pass."""
    outputs = yield inputs
    return cast(list[ModelOutput], outputs)


def look_for_people(picture: Array) -> Passes[list[Person17]]:
    """Who is in a whole picture uint8 [S, S, 3], in a pass of its own."""
    [people] = yield [WholePicture(picture)]
    return cast(list[Person17], people)


def side_by_side(work: Sequence[Passes[T]]) -> Passes[list[T]]:
    """Work on one frame that shares passes: the results in order. A failure of one is the failure of all."""
    results: dict[int, T] = {}
    outputs: dict[int, Sequence[Answer] | None] = dict.fromkeys(range(len(work)))
    while len(results) < len(work):
        wants: dict[int, Sequence[Want]] = {}
        for number in outputs:
            try:
                wants[number] = _resumed(work[number], outputs[number])
            except StopIteration as end:
                results[number] = end.value
        read = yield from _in_parts([image for images in wants.values() for image in images])
        rest = iter(read)
        outputs = {number: [next(rest) for _ in images] for number, images in wants.items()}
    return [results[number] for number in range(len(work))]


def _resumed(passes: Passes[T], outputs: Sequence[Answer] | None) -> Sequence[Want]:
    return next(passes) if outputs is None else passes.send(outputs)


def _in_parts(images: list[Want]) -> Passes[list[Answer]]:
    """All of these inputs, at most `WINDOWS_A_PASS` of them in a pass."""
    outputs: list[Answer] = []
    for first in range(0, len(images), WINDOWS_A_PASS):
        outputs += yield images[first : first + WINDOWS_A_PASS]
    return outputs
