"""The command line: what it writes, what it says, how it exits."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kinepose_client.wire_json import result_from_json
from service.__main__ import main
from service.media.video import open_video
from tests.support.clips import make_clip, make_cut_off, make_sound

pytestmark = pytest.mark.usefixtures("random_weights")


def lines(text: str) -> list[Any]:
    """The objects of NDJSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_estimate_writes_json_to_stdout(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Frames in the native form, and what is known of the clip."""
    code = main(["estimate", str(clip), "--region", "4,4,30,40"])

    reported = json.loads(capsys.readouterr().out)
    assert code == 0
    assert [frame["pts_us"] for frame in reported["frames"]] == [0, 40_000, 80_000]
    [person] = reported["frames"][0]["people"]
    assert person["region"] == [4, 4, 30, 40]
    assert len(person["joints"]) == 13
    assert reported["clip"]["frames_emitted"] == 3


def test_estimate_writes_ndjson_and_an_overlay(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Files appear whole, nothing is left beside them, and nothing is printed."""
    output, overlay = tmp_path / "out.ndjson", tmp_path / "out.mp4"

    code = main(["estimate", str(clip), "--format", "ndjson", "--output", str(output), "--overlay", str(overlay)])

    reported = lines(output.read_text())
    assert code == 0
    assert [result_from_json(line).seq for line in reported[:-1]] == [0, 1, 2]
    assert reported[-1]["clip"]["codec"] == "h264"
    with open_video(overlay) as video:
        assert len(list(video)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "out.mp4", "out.ndjson"]
    assert capsys.readouterr().out == ""


def test_estimate_reads_several_clips_side_by_side(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each has results of its own in the folder, the same as alone; one that is no clip fails by itself."""
    folder, other = tmp_path / "results", make_clip(tmp_path / "other.mp4", count=5)
    broken = text_file(tmp_path)
    code = main(["estimate", str(clip), str(broken), str(other), "--output-dir", str(folder), "--format", "json,mp4"])

    names = sorted(path.name for path in folder.iterdir())
    assert names == ["clip.json", "clip.overlay.mp4", "other.json", "other.overlay.mp4"]
    assert [len(json.loads((folder / f"{name}.json").read_text())["frames"]) for name in ("clip", "other")] == [3, 5]
    error = capsys.readouterr().err
    assert code == 2
    assert str(broken) in error
    assert "1 of 3 inputs failed" in error
    assert main(["estimate", str(clip), "--output", str(tmp_path / "alone.json")]) == 0
    assert (tmp_path / "alone.json").read_text() == (folder / "clip.json").read_text()


def test_a_box_is_of_one_clip(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before anything is computed."""
    other = make_clip(tmp_path / "other.mp4", count=2)
    assert main(["estimate", str(clip), str(other), "--output-dir", str(tmp_path), "--region", "1,1,5,5"]) == 2
    assert "--region is of one input" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_a_strict_clip_that_breaks_off_is_written_so_far(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """Results up to there, the error in the file and in one line on stderr, exit code 1."""
    output, overlay = tmp_path / "out", tmp_path / "out.mp4"
    cut = make_cut_off(tmp_path, count=6)

    code = main(
        ["estimate", str(cut), "--strict", "--format", form, "--output", str(output), "--overlay", str(overlay)]
    )

    text = output.read_text()
    frames, end = (
        (json.loads(text)["frames"], json.loads(text))
        if form == "json"
        else (
            lines(text)[:-1],
            lines(text)[-1],
        )
    )
    assert code == 1
    assert end["error"]["code"] == "bad_clip"
    assert end["clip"]["frames_emitted"] == len(frames) > 1
    with open_video(overlay) as video:
        assert len(list(video)) == len(frames)
    error = capsys.readouterr().err
    assert "breaks off" in error
    assert error.count("\n") == 1


def test_a_clip_that_breaks_off_is_written_with_its_gap(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is no failure: one line on stderr tells of it, and `gaps` where."""
    output, overlay = tmp_path / "out.json", tmp_path / "out.mp4"
    cut = make_cut_off(tmp_path, count=6)

    code = main(["estimate", str(cut), "--output", str(output), "--overlay", str(overlay)])

    reported = json.loads(output.read_text())
    count = len(reported["frames"])
    assert code == 0
    assert reported["clip"]["gaps"] == [{"after_seq": count - 1, "pts_us": 40_000 * count, "reason": "cut_off"}]
    with open_video(overlay) as video:
        assert len(list(video)) == count > 1
    assert capsys.readouterr().err == f"{cut}: the clip has gaps (cut_off), told in the results as `gaps`\n"


def no_such_file(folder: Path) -> Path:
    """A path without a file."""
    return folder / "missing.mp4"


def text_file(folder: Path) -> Path:
    """A file that is no clip."""
    path = folder / "text.mp4"
    path.write_text("hello")
    return path


def sound(folder: Path) -> Path:
    """A file without pictures."""
    return make_sound(folder / "sound.mp4")


@pytest.mark.parametrize("make", [no_such_file, text_file, sound, lambda folder: folder])
def test_input_that_is_no_clip_exits_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Any) -> None:
    """One line that names the file; no output file appears."""
    path = make(tmp_path)

    code = main(["estimate", str(path), "--output", str(tmp_path / "out.json")])

    error = capsys.readouterr().err
    assert code == 2
    assert str(path) in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.json").exists()


def test_a_region_outside_the_picture_exits_with_2(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is found with the first frame; no half file is left."""
    code = main(["estimate", str(clip), "--region", "900,900,10,10", "--output", str(tmp_path / "out.json")])

    assert code == 2
    assert "outside" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("region", ["", "1,2,3", "1,2,3,x", "1,2,0,4", "nan,0,1,1"])
def test_a_region_that_does_not_parse_exits_with_2(clip: Path, region: str) -> None:
    """Before anything is loaded."""
    with pytest.raises(SystemExit) as caught:
        main(["estimate", str(clip), "--region", region])

    assert caught.value.code == 2


def test_an_unknown_model_exits_with_2(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says what there is."""
    assert main(["estimate", str(clip), "--model", "kimnet-none"]) == 2
    assert "kimnet-lite" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_told_before_the_work(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not after an hour of computing."""
    assert main(["estimate", str(clip), "--output", str(tmp_path / "no" / "out.json")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_wrong_setting_is_one_line(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the setting."""
    monkeypatch.setenv("KINEPOSE_DEVICE", "abacus")

    assert main(["estimate", str(clip)]) == 2
    assert "device" in capsys.readouterr().err


def test_models_lists_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    """Name, skeleton, cost, size, measured PCK, licence."""
    assert main(["models"]) == 0

    table = capsys.readouterr().out
    for reported in ("kimnet-lite", "kinepose13", "0.65", "2.55 M", "jhmdb_test_person@0.2: 1.0", "Apache-2.0"):
        assert reported in table


def test_a_taken_port_fails_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The server says which one."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["serve", "--http-port", str(port), "--grpc-port", "0"])

    assert code == 1
    assert str(port) in capsys.readouterr().err


def test_a_port_out_of_range_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Settings are checked before the model is loaded."""
    assert main(["serve", "--http-port", "99999"]) == 2
    assert "http_port" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["fly"], ["estimate"], ["estimate", "a.mp4", "--format", "xml"]])
def test_arguments_that_do_not_parse_exit_with_2(arguments: list[str]) -> None:
    """With argparse's own usage message."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)

    assert caught.value.code == 2


def test_a_reader_that_has_seen_enough_is_no_crash(tmp_path: Path) -> None:
    """`kinepose estimate ... | head -1` ends without a traceback."""
    clip = make_clip(tmp_path / "clip.mp4", count=6)
    command = [sys.executable, "-m", "service", "estimate", str(clip), "--format", "ndjson"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.readline()
        process.stdout.close()
        error = process.stderr.read()

    assert json.loads(first)["seq"] == 0
    assert "Traceback" not in error
