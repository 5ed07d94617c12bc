"""The three files of a report: whole, self-contained, and safe whatever the names in it are."""

import json
import math
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from model.values import Array
from tests.training.made_up_report import head, report
from training.report import html, markdown, published
from training.report.content import Content
from training.report.worst import PictureSource
from training.report.write import as_json, write

_VOID = {"meta", "link", "image", "line", "circle", "path", "use", "rect", "br"}
_EVIL = '</style><script>alert(1)</script> | `x` [a](http://example.org) <img src=x onerror=y> "quoted" & $m$ ![p](q)'


class _Page(HTMLParser):
    """Collects what a browser would act on, and whether every element is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        if tag not in _VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value or "" for key, value in self.attributes if key == name]


@cache
def _page() -> str:
    """The page of the made-up report; drawing its charts takes a second."""
    return html.page(report())


def _grey(clip: str, frame: int) -> Array:
    return np.full((600, 800, 3), 40 + frame, np.uint8)


def _empty() -> Content:
    """Only the head and the modes: a report of a set that has nothing else."""
    return replace(
        report(), frame_by_frame={}, curves={}, actions={}, occlusion={}, relation=[], worst=[], stills={}, notes=[]
    )


def test_a_report_is_three_files(tmp_path: Path) -> None:
    """JSON, Markdown and HTML, in a folder that is made."""
    paths = write(report(), tmp_path / "new" / "report")
    assert [path.name for path in paths] == ["report.json", "report.md", "report.html"]
    assert all(path.read_text(encoding="utf-8").endswith("\n") for path in paths)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    """Nothing in the files depends on when or how often they are written."""
    first, second = write(report(), tmp_path / "a"), write(report(), tmp_path / "b")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_the_head_is_whole_in_every_file(tmp_path: Path) -> None:
    """Whoever reads any of the files can measure the same."""
    known = head()
    wanted = [known.sha256, known.model, known.version, known.part, known.visibility, known.impl, known.torso_invalid]
    wanted += [known.engine, known.machine, known.date, known.split, known.command, *known.normalisers.values(), "0.2"]
    plain = [re.sub(r"\\(.)", r"\1", path.read_text(encoding="utf-8")) for path in write(report(), tmp_path)]
    assert all(text in file for text in wanted for file in plain)
    assert all(text in file for text in ("2,054", "26,702") for file in plain[1:])


def test_the_page_is_well_formed_and_loads_nothing() -> None:
    """Every element is closed; no script, no address outside the page."""
    page = _Page(html.page(report(), _grey))
    assert page.open == []
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    targets = page.values("src") + page.values("href")
    assert targets
    assert all(target.startswith(("#", "data:image/jpeg;base64,")) for target in targets)
    styles = " ".join([*page.values("style"), *page.words])
    assert re.findall(r"@import|url\((?!#)", styles) == []


def test_ids_are_unique_and_links_lead_somewhere() -> None:
    """Charts share one page: their clip paths and markers must not take each other's."""
    page = _Page(_page())
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    used = {target[1:] for target in page.values("href")}
    used |= set(re.findall(r"url\(#([^)]+)\)", " ".join(value or "" for _, value in page.attributes)))
    assert used <= set(ids)


def test_charts_take_their_colours_from_the_page() -> None:
    """A fixed black or white would vanish on a dark or a light page."""
    page = _Page(_page())
    colours = re.findall(r"(?:fill|stroke): (#[0-9a-f]+)", " ".join(page.values("style")))
    assert colours == []


def test_every_chart_and_table_says_what_it_is() -> None:
    """A caption a table, a scope a header cell, words for each picture."""
    page = _Page(_page())
    assert page.tags.count("caption") == page.tags.count("table") > 0
    assert len(page.values("scope")) == page.tags.count("th")
    assert page.values("role").count("img") == page.tags.count("title") - 1 > 0


@pytest.mark.parametrize("pictures", [None, _grey])
def test_no_name_or_note_injects_markup_into_the_page(pictures: PictureSource | None) -> None:
    """Text of others is shown as it is written."""
    content = report(note=_EVIL, clip=_EVIL)
    evil = replace(
        content,
        actions={_EVIL: {}},
        occlusion={_EVIL: {_EVIL: content.occlusion["one frame"]["recurrent"]}},
        curves={_EVIL: content.curves["box"]},
        stills={_EVIL: content.stills["LSPET val"]},
        head=replace(head(), command=_EVIL, machine=_EVIL),
    )
    page = _Page(html.page(evil, pictures))
    assert not {"script", "img"} & set(page.tags)
    assert "onerror" not in dict(page.attributes)
    assert page.open == []
    assert sum(_EVIL in words for words in page.words) > 10


def test_no_name_or_note_injects_markup_into_markdown() -> None:
    """Cells stay cells, and no HTML or link comes out."""
    content = report(note="1. # " + _EVIL, clip=_EVIL)
    text = markdown.text(replace(content, head=replace(content.head, command="a ``` b\n```\n# c", machine=_EVIL)))
    assert not re.search(r"(?<!\\)<(script|img|/style)", text)
    assert not re.search(r"(?<!\\)\[a", text)
    assert "- 1\\. \\# " in text
    assert "\n````sh\n" in text


@pytest.mark.parametrize("content", [report(), report(clip="a|b"), _empty()])
def test_markdown_tables_have_as_many_cells_in_every_row(content: Content) -> None:
    """Otherwise a renderer drops cells without a word."""
    tables = re.findall(r"(?:^\|.*\|\n)+", markdown.text(content), flags=re.MULTILINE)
    assert tables
    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1


def test_the_json_is_the_content() -> None:
    """Rounded to two decimals, shares of one to four; what is not finite is null."""
    content = report()
    whole = json.loads(as_json(content))
    assert list(whole)[:3] == ["head", "joints", "bones"]
    assert whole["head"] == json.loads(json.dumps(content.as_json()["head"]))
    assert whole["modes"]["box"]["per_joint"]["torso"]["left_wrist"] == round(80.4 - 2 * 5.8, 2)
    assert whole["alphas"] == content.alphas
    assert whole["relation"][0][0] == round(content.relation[0][0], 4)
    assert whole["occlusion"]["one frame"]["recurrent"][0]["hidden_joints"] is None
    assert whole["worst"][0]["size"] == [320, 240]


def test_json_lists_of_numbers_take_one_line_and_texts_are_untouched() -> None:
    """A point a line would make the committed file ten times as long."""
    text = as_json(report(note="[\n1,\n2\n] [ 3, 4 ]"))
    assert "[160.0, 57.6]," in text
    assert "[1, 2]," in text
    assert json.loads(text)["notes"][0] == "[\n1,\n2\n] [ 3, 4 ]"


def test_a_report_without_the_costly_parts_has_no_empty_sections() -> None:
    """What was not measured is not there."""
    content = _empty()
    page, text = html.page(content), markdown.text(content)
    for title in ("PCK over alpha", "By action", "Hidden joints", "Temporal correlation", "Worst clips", "Notes"):
        assert title not in page
        assert title not in text
    assert "Joint by joint" in page


def test_worst_clips_show_truth_and_prediction() -> None:
    """Two people a frame; joints that are not finite and their bones are left out."""
    content = report()
    clip = content.worst[0]
    lost = [[[math.nan, math.nan], *pose[1:]] for pose in clip.truth]
    whole = html.page(replace(_empty(), worst=[clip])).split('class="cards"')[1]
    less = html.page(replace(_empty(), worst=[replace(clip, truth=lost)])).split('class="cards"')[1]
    assert whole.count('<g class="stick truth">') == whole.count('<g class="stick predicted">') == len(clip.frames)
    assert whole.count("<circle") - less.count("<circle") == len(clip.frames)
    assert whole.count("<line") - less.count("<line") == 2 * len(clip.frames)
    assert "nan" not in less.split("</article>")[0]


def test_pictures_come_small_and_only_when_asked_for() -> None:
    """Pictures are data of others: a report has none of its own accord."""
    assert "data:image" not in _page()
    page = html.page(replace(_empty(), worst=report().worst), _grey)
    assert page.count("data:image/jpeg;base64,") == sum(len(clip.frames) for clip in report().worst)


@pytest.mark.parametrize(
    ("dataset", "name"), [("jhmdb", "sub-JHMDB"), ("sub-jhmdb", "sub-JHMDB"), ("penn-action", "Penn Action")]
)
def test_each_data_set_stands_beside_its_own_table(dataset: str, name: str) -> None:
    """The papers' rows come with our own joints grouped as theirs."""
    known = published.benchmark(head(dataset))
    assert known is not None
    assert known.name == name
    assert f"{name}, Table" in markdown.text(report(dataset))


def test_published_rows_need_the_same_metric() -> None:
    """Other data, another alpha or another mode to count compares with none of them."""
    assert published.benchmark(head("lspet")) is None
    assert published.benchmark(replace(head(), alpha=0.1)) is None
    assert published.benchmark(replace(head(), impl="rpstn")) is None


def test_peers_stand_beside_the_clips_they_were_measured_on() -> None:
    """And beside no others."""
    assert len(published.peers(head("jhmdb", "test"))) == 4
    assert published.peers(head("jhmdb", "val")) == published.peers(head("sub-jhmdb", "test1")) == ()
    assert "MoveNet" not in markdown.text(report("jhmdb", "val"))


def test_groups_are_means_of_left_and_right() -> None:
    """A joint that was never labelled leaves its twin; none leaves a gap."""
    found = published.group_means({"head": 90.0, "left_hip": 80.0, "right_hip": 70.0, "left_knee": 60.0})
    assert (found["Head"], found["Hip"], found["Knee"], found["Ank"]) == (90.0, 75.0, 60.0, None)


def test_printed_means_fit_the_printed_joints_but_for_the_known_ones() -> None:
    """Guards the typed-in rows by person size: the older methods' means are near those of their seven columns."""
    odd = {"ThinSl", "RPSTN", "KIMNet"}
    for name in ("jhmdb", "penn-action"):
        known = published.benchmark(head(name))
        assert known is not None
        for row in known.rows["person"]:
            if row.groups and row.name not in odd:
                assert sum(row.groups) / 7 == pytest.approx(row.mean, abs=0.45), row


def test_gains_are_signed() -> None:
    """What the recurrence buys reads as a difference."""
    content = report()
    worse = replace(content, frame_by_frame=content.modes, modes=content.frame_by_frame)
    assert "+1.6" in markdown.text(content)
    assert "−1.6" in markdown.text(worse)
