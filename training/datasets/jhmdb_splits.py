"""Which clips of JHMDB are for training and which for testing: the official folds, sub-JHMDB's, and the project's.

Official: splits/<action>_test_split<k>.txt and sub_splits/<action>_test_split_<k>.txt with lines `name.avi 1|2`, 1 for
training and 2 for testing, k from 1 to 3. Figures are averaged over the three folds.
"""

import json
import re
from pathlib import Path

from training.datasets.errors import DatasetError

SPLIT = Path(__file__).with_name("jhmdb_split.json")
"""The project's own split: no source video is in two of its parts."""

FOLDS = (1, 2, 3)
_FLAGS = {"train": "1", "test": "2"}
_LINE = re.compile(r"(\S+)\.avi\s+([12])")


def split_names(part: str, split: Path = SPLIT) -> list[str]:
    """Clip names `<action>/<clip>` of the project's part: train, val or test. KeyError where there is no such part."""
    return list(json.loads(split.read_text())[part])


def left_out_names(part: str, split: Path = SPLIT) -> list[str]:
    """Clips of the project's part that are not used: of a man and a room of test, or of films of val."""
    return list(json.loads(split.read_text())["left_out"]) if part == "train" else []


def fold_names(root: Path, fold: int, part: str) -> list[str]:
    """Clip names of `train` or `test` in an official JHMDB fold, 1 to 3."""
    return _listed(root / "splits", f"_test_split{fold}.txt", part)


def sub_fold_names(root: Path, fold: int, part: str) -> list[str]:
    """Clip names of `train` or `test` in a sub-JHMDB fold, 1 to 3: clips that show the whole person."""
    return _listed(root / "sub_splits", f"_test_split_{fold}.txt", part)


def _listed(folder: Path, ending: str, part: str) -> list[str]:
    """Clips of that part in all actions' lists; KeyError for a part that is neither train nor test."""
    flag = _FLAGS[part]
    lists = sorted(folder.glob(f"*{ending}"))
    if not lists:
        raise DatasetError(f"{folder}: expected lists named <action>{ending}, found none")
    return [
        f"{path.name.removesuffix(ending)}/{name}" for path in lists for name, given in _lines(path) if given == flag
    ]


def _lines(path: Path) -> list[tuple[str, str]]:
    """Clip names and flags of one list."""
    matches = []
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise DatasetError(f"{path}, line {number}: expected `name.avi 1` or `name.avi 2`, got {line!r}")
        matches.append((match[1], match[2]))
    return matches
