"""What `kinepose estimate` reads: several files, folders, patterns, stdin, pictures of every kind, parts of clips."""

import contextlib
import functools
import io
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from service.__main__ import main
from service.media.video import open_video
from tests.support.clips import make_clip
from tests.support.weights import save_random_lite

SIZE = (96, 64)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random kimnet-lite."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def _random_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(weights))


def make_picture(path: Path, size: tuple[int, int] = SIZE, seed: int = 0) -> Path:
    """A smooth picture in the format that the name says."""
    small = np.random.default_rng(seed).integers(0, 255, (4, 6, 3), np.uint8)
    assert cv2.imwrite(str(path), cv2.resize(small, size, interpolation=cv2.INTER_CUBIC))
    return path


def estimated(tmp_path: Path, *arguments: str) -> dict[str, Any]:
    """The JSON of one input."""
    out = tmp_path / "estimated.json"
    assert main(["estimate", *arguments, "--output", str(out)]) == 0
    result: dict[str, Any] = json.loads(out.read_text())
    return result


def frames_of(path: Path) -> int:
    """How many frames a JSON result has."""
    return len(json.loads(path.read_text())["frames"])


# -- several ----------------------------------------------------------------------------------------------


def test_several_files_have_a_result_each(tmp_path: Path) -> None:
    """Named as they are; two of one name are told apart."""
    (tmp_path / "other").mkdir()
    clips = [
        make_clip(tmp_path / "a.mp4", count=2),
        make_clip(tmp_path / "b.mkv", count=3),
        make_clip(tmp_path / "other" / "a.mp4", count=4),
    ]

    assert main(["estimate", *map(str, clips), "--output-dir", str(tmp_path / "out")]) == 0

    assert {path.name: frames_of(path) for path in (tmp_path / "out").iterdir()} == {
        "a.json": 2,
        "b.json": 3,
        "a-2.json": 4,
    }


def test_one_that_fails_does_not_keep_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line says which; the exit code is as if it were alone."""
    clip = make_clip(tmp_path / "a.mp4", count=2)

    code = main(["estimate", str(tmp_path / "no.mp4"), str(clip), "--output-dir", str(tmp_path / "out")])

    error = capsys.readouterr().err.splitlines()
    assert code == 2
    assert "no.mp4: No such file" in error[0]
    assert error[-1] == "kinepose: 1 of 2 inputs failed"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.json"]


def test_a_folder_is_its_clips_and_its_pictures_as_one(tmp_path: Path) -> None:
    """Pictures in the order of their numbers; what is neither is left alone."""
    folder = tmp_path / "walk"
    folder.mkdir()
    make_clip(folder / "film.mp4", count=2)
    for number in (1, 2, 10):
        make_picture(folder / f"shot{number}.png", seed=number)
    (folder / "notes.txt").write_text("hello")

    assert main(["estimate", str(folder), "--output-dir", str(tmp_path / "out"), "--fps", "10"]) == 0

    assert frames_of(tmp_path / "out" / "film.json") == 2
    frames = json.loads((tmp_path / "out" / "walk.json").read_text())["frames"]
    assert [frame["pts_us"] for frame in frames] == [0, 100_000, 200_000]


def test_a_pattern_is_what_matches(tmp_path: Path) -> None:
    """Where the shell left it; in the order of numbers."""
    for number in (9, 10):
        make_clip(tmp_path / f"clip{number}.mp4", count=1)

    with contextlib.chdir(tmp_path):
        assert main(["estimate", "clip*.mp4", "--output-dir", "out"]) == 0

    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["clip10.json", "clip9.json"]


@pytest.mark.parametrize("name", ["no*.mp4", "empty"])
def test_nothing_to_read_exits_with_2(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A pattern without matches, a folder without clips."""
    (tmp_path / "empty").mkdir()

    assert main(["estimate", str(tmp_path / name)]) == 2
    assert name in capsys.readouterr().err


# -- pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "bmp", "tif", "avif"])
def test_a_picture_is_a_clip_of_one_frame(tmp_path: Path, ending: str) -> None:
    """In any of the formats; it has no time."""
    [frame] = estimated(tmp_path, str(make_picture(tmp_path / f"one.{ending}")))["frames"]

    assert frame["image_size"] == list(SIZE)
    assert frame["pts_us"] is None


def test_pictures_of_a_folder_that_change_size_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is read before stays; the message says what to do."""
    make_picture(tmp_path / "1.png")
    make_picture(tmp_path / "2.png", (64, 64))

    assert main(["estimate", str(tmp_path), "--output", str(tmp_path / "out.json")]) == 1
    assert frames_of(tmp_path / "out.json") == 1
    assert "2.png is 64 x 64 pixels, the first picture 96 x 64" in capsys.readouterr().err


def test_a_broken_picture_of_a_folder_is_a_gap(tmp_path: Path) -> None:
    """The others keep their times."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(3):
        make_picture(folder / f"{number}.png")
    (folder / "1.png").write_bytes((folder / "1.png").read_bytes()[:60])

    result = estimated(tmp_path, str(folder), "--fps", "10")

    assert [frame["pts_us"] for frame in result["frames"]] == [0, 200_000]
    assert result["clip"]["gaps"] == [{"after_seq": 0, "pts_us": 100_000, "reason": "damaged"}]


def test_pictures_without_times_are_drawn_one_after_the_other(tmp_path: Path) -> None:
    """At 25 a second."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(3):
        make_picture(folder / f"{number}.png")

    assert main(["estimate", str(folder), "--output", str(tmp_path / "out.mp4")]) == 0

    with open_video(tmp_path / "out.mp4") as video:
        assert [frame.pts_us for frame in video] == [0, 40_000, 80_000]


# -- stdin and URLs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["clip", "picture"])
def test_stdin_is_a_clip_or_a_picture(tmp_path: Path, kind: str) -> None:
    """Whatever its bytes are."""
    path = make_clip(tmp_path / "a.mp4", count=3) if kind == "clip" else make_picture(tmp_path / "a.webp")
    command = [sys.executable, "-m", "service", "estimate", "-"]
    done = subprocess.run(command, input=path.read_bytes(), capture_output=True, check=True)

    assert len(json.loads(done.stdout)["frames"]) == (3 if kind == "clip" else 1)


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing of it."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[str]:
    """The address of the test's folder over HTTP."""
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_clip_is_read_over_http(tmp_path: Path, site: str) -> None:
    """All of it: a file waits for its reader."""
    make_clip(tmp_path / "a.mp4", count=5)

    assert len(estimated(tmp_path, f"{site}/a.mp4")["frames"]) == 5


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("rtsp://user:secret@127.0.0.1:9/a", "rtsp://127.0.0.1:9/a: cannot be opened"),
        ("file:///etc/passwd", "URLs of file are not read here"),
        ("camera:77", "camera:77: cannot be opened: No such file"),
    ],
)
def test_a_stream_that_does_not_open_is_one_line(source: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the password that is in it."""
    assert main(["estimate", source]) == 2

    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert "secret" not in error


# -- parts ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "times_ms"),
    [
        (["--start", "0.1"], [120, 160, 200, 240, 280, 320, 360]),
        (["--end", "0:00.12"], [0, 40, 80]),
        (["--every", "4"], [0, 160, 320]),
        (["--start", "0.04", "--end", "0.3", "--every", "3"], [40, 160, 280]),
    ],
)
def test_a_part_keeps_the_times_of_the_whole(tmp_path: Path, arguments: list[str], times_ms: list[int]) -> None:
    """Numbers count from 0."""
    frames = estimated(tmp_path, str(make_clip(tmp_path / "a.mp4")), *arguments)["frames"]

    assert [frame["pts_us"] // 1000 for frame in frames] == times_ms
    assert [frame["seq"] for frame in frames] == list(range(len(times_ms)))


def test_the_drawing_of_a_part_begins_with_it(tmp_path: Path) -> None:
    """At 0."""
    clip = make_clip(tmp_path / "a.mp4")

    assert main(["estimate", str(clip), "--start", "0.2", "--output", str(tmp_path / "out.mp4")]) == 0

    with open_video(tmp_path / "out.mp4") as video:
        assert [frame.pts_us for frame in video] == [0, 40_000, 80_000, 120_000, 160_000]


@pytest.mark.parametrize(
    "arguments", [["--start", "1:2:3:4"], ["--start", "1:75"], ["--every", "0"], ["--end", "-1"], ["--live"]]
)
def test_parts_that_make_no_sense_exit_with_2(tmp_path: Path, arguments: list[str]) -> None:
    """As other arguments that do not parse."""
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()) as error:
        assert main(["estimate", str(make_clip(tmp_path / "a.mp4")), *arguments]) == 2
    assert error.getvalue()


def test_pictures_without_times_have_no_part_by_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--fps gives them times."""
    picture = make_picture(tmp_path / "a.png")

    assert main(["estimate", str(picture), "--start", "1"]) == 2
    assert "no times" in capsys.readouterr().err
