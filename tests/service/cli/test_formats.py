"""The formats of `kinepose estimate`: which, where to, and what is made of the joints."""

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest

from service.__main__ import main
from tests.support.clips import make_cut_off

pytestmark = pytest.mark.usefixtures("random_weights")


def lines(text: str) -> list[Any]:
    """The objects of NDJSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_several_formats_come_from_one_run(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file a format in the folder, named as the clip; the drawn one does not take the clip's own name."""
    folder = tmp_path / "out"

    code = main(
        ["estimate", str(clip), "--format", "csv,trc,openpose", "--format", "json,mp4", "--output-dir", str(folder)]
    )

    assert code == 0
    assert sorted(path.name for path in folder.iterdir()) == [
        "clip.csv",
        "clip.json",
        "clip.overlay.mp4",
        "clip.trc",
        "clip_json",
    ]
    assert len(list((folder / "clip_json").iterdir())) == 3
    assert (folder / "clip.csv").read_bytes().count(b"\r\n") == 4
    assert len(json.loads((folder / "clip.json").read_text())["frames"]) == 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("name", "begin"),
    [
        ("a.csv", b"frame,"),
        ("a.dlc.csv", b"scorer,"),
        ("a.coco.json", b'{"info"'),
        ("a.parquet", b"PAR1"),
        ("a.trc", b"PathFileType"),
        ("a.mp4", b"\0\0\0"),
        ("a.txt", b'{"frames"'),
    ],
)
def test_the_ending_of_the_output_says_the_format(clip: Path, tmp_path: Path, name: str, begin: bytes) -> None:
    """Where no --format does."""
    assert main(["estimate", str(clip), "--output", str(tmp_path / name)]) == 0
    assert (tmp_path / name).read_bytes().startswith(begin)


def test_a_format_goes_to_stdout_too(clip: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Binary ones as well, where that is no terminal."""
    assert main(["estimate", str(clip), "--format", "openpose"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"PK")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--format", "csv,trc"],
        ["--format", "csv,trc", "--output", "a"],
        ["--output", "a", "--output-dir", "b"],
        ["--format", "mp4"],
    ],
)
def test_outputs_that_do_not_fit_together_exit_with_2(clip: Path, tmp_path: Path, arguments: list[str]) -> None:
    """Before anything is loaded; nothing is made."""
    with contextlib.chdir(tmp_path):
        assert main(["estimate", str(clip), *arguments]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_clip_that_breaks_off_is_written_so_far_in_every_format(tmp_path: Path) -> None:
    """As in JSON."""
    cut = make_cut_off(tmp_path, count=6)

    assert (
        main(["estimate", str(cut), "--strict", "--format", "csv,ndjson", "--output-dir", str(tmp_path / "out")]) == 1
    )

    csv = (tmp_path / "out" / f"{cut.stem}.csv").read_text().splitlines()
    assert len(csv) == len((tmp_path / "out" / f"{cut.stem}.ndjson").read_text().splitlines()) > 1


def test_kinematics_stand_beside_the_raw_joints(clip: Path, tmp_path: Path) -> None:
    """In every form that has room for them; the plots are a page of their own."""
    asked = ["--smooth", "savgol:0.2", "--fill-gaps", "0.2", "--angles", "--metres-per-pixel", "0.01"]
    out = tmp_path / "out"

    code = main(
        [
            "estimate",
            str(clip),
            "--region",
            "1,1,60,44",
            *asked,
            "--format",
            "csv,json,trc",
            "--output-dir",
            str(out),
            "--plot",
            str(tmp_path / "p.html"),
        ]
    )

    assert code == 0
    first = json.loads((out / "clip.json").read_text())["frames"][0]
    raw = {joint["name"]: joint for joint in first["people"][0]["joints"]}
    [made] = first["kinematics"]
    assert made["track_id"] == 1
    assert made["head_x_m"] == pytest.approx(made["head_x_filtered"] / 100, rel=1e-5)
    assert set(made) >= {"left_knee_flexion_deg", "trunk_deg", "head_y_m"}
    header, row, *_ = (out / "clip.csv").read_text().splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert float(values["head_x"]) == pytest.approx(raw["head"]["x"])
    assert float(values["head_x_filtered"]) == pytest.approx(made["head_x_filtered"])
    assert (out / "clip.trc").read_text().splitlines()[2].split("\t")[4] == "m"
    assert (tmp_path / "p.html").read_text().count("<figure>") == 3


@pytest.mark.parametrize(
    "arguments", [["--smooth", "magic"], ["--smooth", "savgol:0"], ["--height", "1.8", "--metres-per-pixel", "1"]]
)
def test_kinematics_that_make_no_sense_exit_with_2(clip: Path, arguments: list[str]) -> None:
    """Before anything is loaded."""
    with contextlib.suppress(SystemExit):
        assert main(["estimate", str(clip), *arguments]) == 2


def test_causal_smoothing_does_not_wait_for_the_end(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lines come as without it, each with what was made of its joints."""
    assert main(["estimate", str(clip), "--region", "1,1,60,44", "--smooth", "one_euro:2", "--format", "ndjson"]) == 0

    *frames, last = lines(capsys.readouterr().out)
    assert [frame["kinematics"][0]["track_id"] for frame in frames] == [1, 1, 1]
    assert last["clip"]["frames_emitted"] == 3


def test_an_output_never_takes_the_inputs_place(clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor a link to it does; nothing is read or written."""
    before = clip.read_bytes()
    (tmp_path / "link.mp4").symlink_to(clip)

    for output in (clip, tmp_path / "link.mp4"):
        assert main(["estimate", str(clip), "--output", str(output)]) == 2
        assert "would take the input's place" in capsys.readouterr().err
    assert clip.read_bytes() == before


def test_a_folder_of_files_may_be_there_already(clip: Path, tmp_path: Path) -> None:
    """A second run writes its files over those of the first."""
    for _ in range(2):
        assert main(["estimate", str(clip), "--format", "openpose", "--output", str(tmp_path / "frames")]) == 0
    assert len(list((tmp_path / "frames").iterdir())) == 3
