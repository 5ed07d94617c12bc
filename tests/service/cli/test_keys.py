"""`kinepose keys`: the file that it keeps, what it says, and that a server takes its keys."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from service.__main__ import main
from service.auth.api_keys import Caller, KeyFile, KeyLimits, KeyRing, hashed
from service.observability.metrics import Metrics


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the keys are; there is no file yet."""
    return tmp_path / "keys.json"


def keys(path: Path, *arguments: str) -> int:
    """Run the command on that file."""
    return main(["keys", *arguments, "--file", str(path)])


def printed_key(path: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """A new key."""
    assert keys(path, "new", *arguments) == 0
    return capsys.readouterr().out.strip()


def test_a_new_key_is_taken_by_a_server(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed alone on its line; the first one makes the file."""
    key = printed_key(path, capsys, "robot", "--frames-per-s", "30", "--max-sessions", "2")

    caller = KeyRing(path, Metrics()).caller(f"Bearer {key}")
    assert caller == Caller("robot", KeyLimits(frames_per_s=30, max_sessions=2))


def test_the_file_holds_no_key(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its hash only, and nobody but owner and group reads it."""
    key = printed_key(path, capsys, "robot")

    assert key not in path.read_text()
    assert hashed(key) in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_keys_are_listed_without_secrets(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line a key: its id and its limits."""
    printed_key(path, capsys, "robot")
    printed_key(path, capsys, "drone", "--clips-per-minute", "5", "--sessions-per-minute", "60")

    assert keys(path, "list") == 0
    assert capsys.readouterr().out.splitlines() == ["robot", "drone sessions_per_minute=60 clips_per_minute=5"]


def test_a_removed_key_is_gone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others stay."""
    printed_key(path, capsys, "robot")
    printed_key(path, capsys, "drone")

    assert keys(path, "remove", "robot") == 0
    assert [record.id for record in KeyFile.read(path).keys] == ["drone"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("new", "a_b"),
        ("new", ""),
        ("new", "-"),
        ("new", "x" * 65),
        ("new", "robot", "--frames-per-s", "0"),
        ("new", "taken"),
        ("remove", "unknown"),
    ],
)
def test_what_makes_no_sense_is_refused(
    arguments: tuple[str, ...], path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line; the file stays as it was."""
    printed_key(path, capsys, "taken")
    before = path.read_bytes()

    assert keys(path, *arguments) == 2
    found = capsys.readouterr()
    assert (found.out, found.err.count("\n")) == ("", 1)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_broken_file_is_left_alone(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody has to look at it; nothing in it is lost."""
    path.write_text("{")

    assert [keys(path, "new", "robot"), keys(path, "list"), keys(path, "remove", "robot")] == [2, 2, 2]
    assert path.read_text() == "{"
    assert capsys.readouterr().out == ""


def test_the_file_may_be_named_by_the_environment(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the server's own setting."""
    monkeypatch.setenv("KINEPOSE_API_KEYS_FILE", str(path))

    assert main(["keys", "new", "robot"]) == 0
    assert capsys.readouterr().out.strip().startswith("kp_robot_")


def test_without_a_file_it_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2."""
    assert main(["keys", "list"]) == 2
    assert "KINEPOSE_API_KEYS_FILE" in capsys.readouterr().err


def test_keys_made_at_once_are_all_kept(path: Path) -> None:
    """Changes go one after the other."""
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda number: keys(path, "new", f"k{number}"), range(24)))

    assert codes == [0] * 24
    assert {record.id for record in KeyFile.read(path).keys} == {f"k{number}" for number in range(24)}
