"""`python tests/bench/people_cost.py`: CPU time of a frame with 1, 2, 4 and 6 people, and the finder's share of it.

There is always room for one more, so that the finder looks as often as it ever does while nobody is lost. The sessions
take turns, frame by frame, so that whatever else runs on the machine slows all of them alike: read the times against
each other.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from model.finder.base import Finder
from model.finder.decode import Person17
from model.finder.finder import MultiPoseFinder
from model.opened import open_model
from model.requests import Tracked, TrackRequest
from model.state import SessionState
from model.tracker import Tracker
from model.values import Array, Frame
from service.media.image import decode, read_header
from tests.chaos.films import Film, load_clip

PEOPLE = (1, 2, 4, 6)
WARM_UP = 3


class TimedFinder:
    """A finder that tells its CPU seconds."""

    def __init__(self, finder: Finder) -> None:
        self.digest, self.size = finder.digest, finder.size
        self.cpu_s, self.looks = 0.0, 0
        self._finder = finder

    def find(self, pictures: Sequence[Array]) -> list[list[Person17]]:
        """See Finder."""
        begin = time.process_time()
        found = self._finder.find(pictures)
        self.cpu_s += time.process_time() - begin
        self.looks += len(pictures)
        return found


@dataclass
class Session:
    """So many people in one session, and what their frames have cost."""

    film: Film
    state: SessionState | None = None
    cpu_s: float = 0.0
    finder_s: float = 0.0
    looks: int = 0
    seen: list[int] = field(default_factory=list)

    def read(self, tracker: Tracker, finder: TimedFinder, seq: int) -> None:
        """One frame more; the first ones are not counted."""
        frame = _frame(self.film, seq)
        finder.cpu_s, finder.looks = 0.0, 0
        begin = time.process_time()
        [answer] = tracker.step([TrackRequest(frame, seq, self.state, max_people=self.film.people + 1)])
        spent_s = time.process_time() - begin
        assert isinstance(answer, Tracked), answer
        self.state = answer.state
        if seq >= WARM_UP:
            self.cpu_s += spent_s
            self.finder_s += finder.cpu_s
            self.looks += finder.looks
            self.seen.append(len(answer.people))


def _frame(film: Film, seq: int) -> Frame:
    image = film.picture(seq).image
    return decode(image, read_header(image))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="kimnet-lite")
    parser.add_argument("--frames", type=int, default=160, help="of each session (default: 160)")
    arguments = parser.parse_args()
    engine, card = open_model(arguments.model, device="cpu")
    finder = TimedFinder(MultiPoseFinder(threads=1))
    tracker = Tracker(engine, card.sha256[:16], finder)
    clip = load_clip()
    sessions = [Session(Film(clip, number, 1, people)) for number, people in enumerate(PEOPLE)]
    for seq in range(WARM_UP + arguments.frames):
        for session in sessions:
            session.read(tracker, finder, seq)
    print(_table(sessions))


def _table(sessions: list[Session]) -> str:
    one = sessions[0].cpu_s
    lines = [
        "| people in the picture | people read a frame | CPU ms a frame | over one's | looks | finder's share, % |",
        "|---|---|---|---|---|---|",
    ]
    for session in sessions:
        count = len(session.seen)
        ms, share = 1000 * session.cpu_s / count, 100 * session.finder_s / session.cpu_s
        cells = [f"{sum(session.seen) / count:.2f}", f"{ms:.1f}", f"{session.cpu_s / one:.2f}", str(session.looks)]
        lines.append(f"| {session.film.people} | {' | '.join(cells)} | {share:.1f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
