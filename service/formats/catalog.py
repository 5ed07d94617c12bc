"""All formats of a clip's results, by the name that `--format` and `?format=` take."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from service.errors import BadRequest
from service.formats import coco, csv_wide, deeplabcut, native, openpose, parquet, plots, trc
from service.formats.results import Results
from service.formats.zipped import Member


@dataclass(frozen=True, slots=True)
class Format:
    """A form of a clip's results.

    Attributes:
        name: as users give it.
        ending: of a file in it, after the clip's name.
        media_type: as HTTP tells it.
        what: for people.
        write: makes the file, piece by piece.
        accepted: whether `Accept` with the media type means this one; several formats share some types.
        text: whether it is UTF-8.
        files: where it is a folder of files: these; `write` makes a ZIP of them.
        needs: a module that has to be installed for it.
    """

    name: str
    ending: str
    media_type: str
    what: str
    write: Callable[[Results], Iterator[bytes]]
    accepted: bool = False
    text: bool = True
    files: Callable[[Results], Iterator[Member]] | None = None
    needs: str | None = None


JSON: Final = Format(
    "json", ".json", "application/json", "Kinepose's own, one document", native.write_json, accepted=True
)
NDJSON: Final = Format(
    "ndjson", ".ndjson", "application/x-ndjson", "Kinepose's own, a line a frame", native.write_ndjson, accepted=True
)
_OTHERS = (
    Format("csv", ".csv", "text/csv", "a row a person and frame", csv_wide.write_csv, accepted=True),
    Format("dlc", ".dlc.csv", "text/csv", "CSV with DeepLabCut's header", deeplabcut.write_deeplabcut),
    Format(
        "parquet",
        ".parquet",
        "application/vnd.apache.parquet",
        "a row a person and frame, in typed columns",
        parquet.write_parquet,
        accepted=True,
        text=False,
        needs="pyarrow",
    ),
    Format("coco", ".coco.json", "application/json", "COCO keypoints: images and annotations", coco.write_keypoints),
    Format("coco-results", ".coco-results.json", "application/json", "COCO results: a list", coco.write_results),
    Format(
        "openpose",
        "_json",
        "application/zip",
        "OpenPose JSON, a file a frame, BODY_25",
        openpose.write_body_25,
        accepted=True,
        text=False,
        files=openpose.body_25_files,
    ),
    Format(
        "openpose-coco",
        "_coco_json",
        "application/zip",
        "OpenPose JSON, a file a frame, its COCO order of 18",
        openpose.write_coco,
        text=False,
        files=openpose.coco_files,
    ),
    Format("html", ".html", "text/html", "a page with plots of paths, angles and scores", plots.write_plots),
    Format("trc", ".trc", "text/tab-separated-values", "OpenSim's marker table", trc.write_trc, accepted=True),
)
HTML: Final = "html"
FORMATS: Final = {form.name: form for form in (JSON, NDJSON, *_OTHERS)}

MP4: Final = "mp4"
"""Beside these: the clip with its people drawn, which takes the clip itself."""
MP4_TYPE: Final = "video/mp4"


def format_named(name: str) -> Format:
    """The format of that name. BadRequest for one that there is not, or not without another package."""
    form = FORMATS.get(name)
    if form is None:
        raise BadRequest(f"format: {name[:40]!r} is not known; there are {', '.join((*FORMATS, MP4))}")
    if form.needs and find_spec(form.needs) is None:
        raise BadRequest(f"format: {name} needs {form.needs}, which is not installed: pip install 'kinepose[{name}]'")
    return form
