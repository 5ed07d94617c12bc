"""Each format, read back by those who read it elsewhere: pandas, pyarrow, pycocotools, and TRC as Pose2Sim reads it."""

import contextlib
import io
import json
import re
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from pycocotools.coco import COCO
from trc import TRCData

from model.skeletons import COCO_17, KINEPOSE_13, OPENPOSE_BODY_25, OPENPOSE_COCO
from model.values import Array, Pose
from service.contract import wire
from service.errors import BadRequest
from service.formats.catalog import FORMATS, format_named
from service.formats.charts import Line, line_chart
from service.formats.native import ndjson_line
from service.formats.results import Results, StoredResults, survey
from service.kinematics.process import Wanted, kinematics_of
from tests.support.results import BOX, INFO, SIZE, ListedResults, frame, nobody, one_person, person, pose, two_people


def written(name: str, results: Results, folder: Path) -> Path:
    """The results in a file of this format."""
    path = folder / f"out{FORMATS[name].ending}"
    path.write_bytes(b"".join(FORMATS[name].write(results)))
    return path


def table(of: Pose) -> Array:
    """x, y, score of each joint: [K, 3]."""
    return np.column_stack((of.xy_px, of.score))


# -- tables -----------------------------------------------------------------------------------------------


def read_csv(path: Path) -> Any:
    """As pandas reads it."""
    return pd.read_csv(path)


def read_parquet(path: Path) -> Any:
    """As pandas reads it, by pyarrow."""
    return pd.read_parquet(path)


@pytest.mark.parametrize(("name", "read"), [("csv", read_csv), ("parquet", read_parquet)])
def test_tables_have_a_row_a_person_and_frame(name: str, read: Any, tmp_path: Path) -> None:
    """People by track; frames without anybody are there, empty; joints come back as the same float32."""
    frame = read(written(name, two_people(), tmp_path))

    assert frame["frame"].tolist() == [0, 1, 2, 2, 3, 4]
    assert frame["track_id"].fillna(0).tolist() == [1, 1, 1, 3, 0, 3]
    assert frame["outcome"].tolist() == ["ok"] * 4 + ["error", "ok"]
    assert frame["time_s"].tolist() == [0, 0.04, 0.08, 0.08, 0.12, 0.16]
    joints = frame.loc[3, [f"{joint}_{part}" for joint in KINEPOSE_13.joints for part in ("x", "y", "score")]]
    assert np.array_equal(joints.to_numpy(np.float32), table(pose(3)).ravel())
    assert frame.loc[0, ["region_x", "region_y", "region_w", "region_h"]].tolist() == [BOX.x, BOX.y, BOX.w, BOX.h]
    assert frame.loc[4, "head_x":].isna().all()


def test_parquet_has_types_and_the_clips_facts(tmp_path: Path) -> None:
    """Whole numbers stay whole, also where nobody is; the facts are in the metadata."""
    path = written("parquet", two_people(), tmp_path)
    schema = pq.read_schema(path)

    assert [str(schema.field(name).type) for name in ("frame", "pts_us", "track_id", "head_x")] == [
        "int32",
        "int64",
        "int32",
        "float",
    ]
    about = json.loads(schema.metadata[b"kinepose"])
    assert about["clip"] == wire.clip_to_json(INFO)
    assert about["skeleton"] == "kinepose13"


def read_deeplabcut(path: Path, levels: int) -> Any:
    """As `movement` 0.15 does, which sets the index later for the sake of a first row that is empty."""
    frame = pd.read_csv(path, header=list(range(levels)))
    names = ["scorer", "individuals", "bodyparts", "coords"] if levels == 4 else ["scorer", "bodyparts", "coords"]
    frame = frame.set_index(frame.columns[0])
    frame.columns = pd.MultiIndex.from_tuples(frame.columns, names=names)
    return frame


def test_deeplabcut_of_one_person_has_three_rows_of_header(tmp_path: Path) -> None:
    """scorer, bodyparts, coords; a row a frame."""
    frame = read_deeplabcut(written("dlc", one_person(), tmp_path), 3)

    assert frame.columns.names == ["scorer", "bodyparts", "coords"]
    assert frame.columns.levels[0].tolist() == ["kinepose_kimnet-lite_1.0"]
    assert frame.index.tolist() == [0, 1, 2]
    joints = frame.xs("kinepose_kimnet-lite_1.0", axis=1)
    assert list(joints.columns[:3]) == [("head", "x"), ("head", "y"), ("head", "likelihood")]
    assert np.array_equal(joints.loc[2].to_numpy(np.float32), table(pose(2)).ravel())
    assert joints.loc[1].isna().all()


def test_deeplabcut_begins_with_an_empty_row_where_nobody_is_there_yet(tmp_path: Path) -> None:
    """No frame is missing."""
    later = ListedResults(frame(0), frame(1, person(1, 1)))

    read = read_deeplabcut(written("dlc", later, tmp_path), 3)

    assert read.isna().all(axis=1).tolist() == [True, False]


def test_deeplabcut_of_several_people_names_them_as_individuals(tmp_path: Path) -> None:
    """By track number, each with their own columns, empty where they are not seen."""
    frame = read_deeplabcut(written("dlc", two_people(), tmp_path), 4)

    assert frame.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    people = frame.xs("kinepose_kimnet-lite_1.0", axis=1)
    assert list(dict.fromkeys(people.columns.get_level_values("individuals"))) == ["person1", "person3"]
    assert np.array_equal(people.loc[4, "person3"].to_numpy(np.float32), table(pose(4)).ravel())
    assert people.loc[4, "person1"].isna().all()
    assert people.loc[3].isna().all()


# -- COCO -------------------------------------------------------------------------------------------------


def coco(path: Path) -> COCO:
    """As COCO's own tool reads a data set."""
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def expected_coco(of: Pose) -> Array:
    """x, y, score in COCO's order, zeros where it is absent: [17, 3]."""
    rows = np.zeros((17, 3), np.float32)
    rows[5:] = table(of)[1:]  # Shoulders to ankles stand in the same order in both.
    return rows


def test_coco_keypoints_are_read_by_cocos_own_tool(tmp_path: Path) -> None:
    """17 joints, of which nose, eyes and ears are not there; a guess is 1, a sighting 2."""
    read = coco(written("coco", two_people(), tmp_path))

    assert read.getImgIds() == [0, 1, 2, 3, 4]
    assert [(read.imgs[2][side]) for side in ("width", "height")] == list(SIZE)
    assert read.cats[1]["keypoints"] == list(COCO_17.joints)
    first, second = read.loadAnns(read.getAnnIds(imgIds=[2]))
    assert (first["track_id"], second["track_id"]) == (1, 3)
    keypoints = np.reshape(second["keypoints"], (17, 3))
    assert np.array_equal(keypoints[:, :2].astype(np.float32), expected_coco(pose(3))[:, :2])
    assert keypoints[:, 2].tolist() == [0] * 5 + [2, 1] + [2] * 10
    assert second["num_keypoints"] == 12
    assert second["bbox"] == [BOX.x, BOX.y, BOX.w, BOX.h]


def test_coco_results_load_beside_the_data_set(tmp_path: Path) -> None:
    """`loadRes` takes them: each has its image, its joints with scores, and its own score."""
    results = two_people()
    with contextlib.redirect_stdout(io.StringIO()):
        loaded = coco(written("coco", results, tmp_path)).loadRes(str(written("coco-results", results, tmp_path)))

    detections = list(loaded.anns.values())
    assert [(d["image_id"], d["track_id"], d["score"]) for d in detections] == [
        (0, 1, 0.75),
        (1, 1, 0.75),
        (2, 1, 0.75),
        (2, 3, 0.75),
        (4, 3, 0.75),
    ]
    assert np.array_equal(np.float32(detections[3]["keypoints"]).reshape(17, 3), expected_coco(pose(3)))


# -- OpenPose ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "layout"), [("openpose", OPENPOSE_BODY_25), ("openpose-coco", OPENPOSE_COCO)])
def test_openpose_has_a_file_a_frame(name: str, layout: Any, tmp_path: Path) -> None:
    """In OpenPose's names and order; what is not read is 0, 0, 0; the track is its person_id."""
    with zipfile.ZipFile(written(name, two_people(), tmp_path)) as archive:
        names = archive.namelist()
        frames = [json.loads(archive.read(member)) for member in names]

    assert names == [f"walk_{seq:012d}_keypoints.json" for seq in range(5)]
    assert [[person["person_id"] for person in frame["people"]] for frame in frames] == [
        [[1]],
        [[1]],
        [[1], [3]],
        [],
        [[3]],
    ]
    keypoints = np.float32(frames[4]["people"][0]["pose_keypoints_2d"]).reshape(-1, 3)
    assert len(keypoints) == len(layout)
    for joint, row in zip(layout.joints, keypoints, strict=True):
        known = joint in KINEPOSE_13.joints
        assert np.array_equal(row, table(pose(4))[KINEPOSE_13.index(joint)] if known else np.zeros(3))


# -- OpenSim ----------------------------------------------------------------------------------------------


def read_trc(path: Path) -> tuple[list[str], list[str], Array]:
    """Header values, markers, and times with coordinates [T, 1 + 3 M], as Pose2Sim's `read_trc` takes them."""
    header = path.read_text().splitlines()[:5]
    markers = [name for name in header[3].split("\t")[2::3] if name]
    frame = pd.read_csv(path, sep="\t", skiprows=4)
    return header[2].split("\t"), markers, frame.to_numpy(float)[:, 1:]


def test_trc_of_one_person_has_plain_markers(tmp_path: Path) -> None:
    """Pose2Sim's names; Y goes up from the lowest row; empty where nobody is seen."""
    values, markers, rows = read_trc(written("trc", one_person(), tmp_path))

    assert values == ["25", "25", "3", "13", "px", "25", "1", "3"]
    assert markers[:4] == ["Head", "LShoulder", "RShoulder", "LElbow"]
    assert rows[:, 0].tolist() == [0, 0.04, 0.08]
    points = rows[2, 1:].reshape(13, 3)
    assert points == pytest.approx(
        np.column_stack((pose(2).xy_px[:, 0], 359 - pose(2).xy_px[:, 1], np.zeros(13))), abs=6e-4
    )
    assert np.isnan(rows[1, 1:]).all()


def test_trc_of_several_people_names_whose_marker_it_is(tmp_path: Path) -> None:
    """By track; each has all markers."""
    values, markers, rows = read_trc(written("trc", two_people(), tmp_path))

    assert (values[2], values[3]) == ("5", "26")
    assert (markers[0], markers[13]) == ("person1:Head", "person3:Head")
    assert rows.shape == (5, 1 + 3 * 26)
    assert np.isnan(rows[4, 1:40]).all()
    assert not np.isnan(rows[4, 40:]).any()


def test_trc_is_read_by_a_reader_of_others(tmp_path: Path) -> None:
    """The same joints in the same places, frame by frame; those of nobody as NaN."""
    path = written("trc", one_person(), tmp_path)
    _, names, rows = read_trc(path)
    read = TRCData()
    read.load(str(path))

    assert (read["Units"], read["Markers"], read["Time"]) == ("px", names, rows[:, 0].tolist())
    points = np.stack([read[name] for name in names], axis=1)  # [T, M, 3]
    assert np.array_equal(points.reshape(len(rows), -1), rows[:, 1:], equal_nan=True)


# -- all --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("results", [nobody(), one_person(), two_people()], ids=["nobody", "one", "two"])
def test_stored_results_are_written_as_those_in_memory(name: str, results: Results, tmp_path: Path) -> None:
    """What was put down as lines gives the same bytes, also twice; an empty room is no error."""
    form = FORMATS[name]
    (tmp_path / "lines").write_bytes(b"".join(ndjson_line(wire.result_to_json(result)) for result in results))
    expected = b"".join(form.write(results))

    with (tmp_path / "lines").open("rb") as lines:
        stored = StoredResults(results.info, lines, results.name)
        assert b"".join(form.write(stored)) == expected
        assert b"".join(form.write(stored)) == expected


def test_a_survey_tells_what_headers_need() -> None:
    """Everybody who was seen, how many frames, how fast."""
    seen = survey(two_people())

    assert (seen.track_ids, seen.frames, seen.hz, seen.size) == ((1, 3), 5, 25.0, SIZE)
    assert survey([]).frames == 0


def test_an_unknown_format_is_refused_with_those_that_there_are() -> None:
    """By name."""
    with pytest.raises(BadRequest, match=r"'xml' is not known; there are json, ndjson, csv, .*, mp4"):
        format_named("xml")


# -- plots ------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Which elements a page has, and what they point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_plots_are_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    """Five charts a person, pictures within it, and no script and no address in it."""
    results = two_people()
    results.stills = [("frame 0", b"\xff\xd8")]
    page = Page(written("html", results, tmp_path).read_text())

    assert page.tags.count("svg") == 10
    assert "script" not in page.tags
    assert page.links == ["data:image/jpeg;base64,/9g="]
    assert page.tags.count("path") > 2 * 5 * 8


def test_plots_of_a_long_clip_draw_some_frames_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From its first to its end, filtered or not, and say how many there are."""
    monkeypatch.setattr("service.formats.plots.MOST_POINTS", 10)
    results = ListedResults(*(frame(seq, person(1, seq)) for seq in range(95)))
    results.kinematics = kinematics_of(results, KINEPOSE_13, Wanted(smooth="one_euro"))
    text = written("html", results, tmp_path).read_text()

    assert "95 frames, 3.60 s, 1 person" in text
    assert re.search(r'd="M[\d.]+ [\d.]+(L[\d.]+ [\d.]+){9}"', text)


def test_plots_of_a_crowd_draw_the_first_of_it(tmp_path: Path) -> None:
    """And say how many there were."""
    results = ListedResults(*(frame(seq, person(seq + 1, seq)) for seq in range(30)))
    text = written("html", results, tmp_path).read_text()

    assert text.count("<h2>") == 20
    assert "30 people (the first 20 are drawn)" in text


def test_charts_break_lines_where_nothing_is_known() -> None:
    """And round their ticks."""
    chart = line_chart("T", ("s", "px"), np.arange(5.0), [Line("a", np.array([0, 1, np.nan, 3, 4.0]), "#000")])

    assert re.search(r'd="M[\d.]+ [\d.]+L[\d.]+ [\d.]+M[\d.]+ [\d.]+L[\d.]+ [\d.]+"', chart)
    assert ">0<" in chart
    assert ">4<" in chart
