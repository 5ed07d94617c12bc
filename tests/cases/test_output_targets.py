"""`--output` and `--overlay` name what is no regular file, or a file that is somebody's.

Source: https://github.com/curl/curl/issues/6882 and https://github.com/sahib/rmlint/issues/763: `--output /dev/null`
as root removed the device and left a regular file in its place, and every other program broke.
Right: the temporary file and rename belong to regular files only. Devices, pipes, descriptors and the targets of
links are written through; an existing file keeps its mode and owner; a folder is refused before work begins.
"""

import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service.__main__ import main
from service.clips.output_file import check_output, whole_or_nothing
from tests.support.clips import make_clip
from tests.support.weights import save_random_lite


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random kimnet-lite."""
    return save_random_lite(tmp_path_factory.mktemp("weights"))


@pytest.fixture(autouse=True)
def _random_weights(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINEPOSE_WEIGHTS_DIR", str(weights))


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """An MP4 of two pictures, in a folder of its own."""
    (tmp_path / "in").mkdir()
    return make_clip(tmp_path / "in" / "clip.mp4", count=2)


def estimated(clip: Path, *arguments: str) -> int:
    """Run the command."""
    return main(["estimate", str(clip), *arguments])


def write(path: Path, text: str) -> None:
    """As a command does."""
    with whole_or_nothing(path) as part:
        part.write_text(text)


def write_half(path: Path) -> None:
    """As a command that fails on the way."""
    with whole_or_nothing(path) as part:
        part.write_text("half")
        raise RuntimeError


class Reader(threading.Thread):
    """Reads a pipe to its end."""

    def __init__(self, path: Path) -> None:
        super().__init__(daemon=True)
        self._path = path
        self.data = b""
        self.start()

    def run(self) -> None:
        self.data = self._path.read_bytes()


def test_pipes_get_results_and_overlay_and_stay_pipes(clip: Path, tmp_path: Path) -> None:
    """Their readers see the whole document, and the MP4 once it is whole: it is not written from first to last."""
    results, overlay = tmp_path / "results", tmp_path / "overlay"
    os.mkfifo(results)
    os.mkfifo(overlay)
    readers = [Reader(results), Reader(overlay)]

    code = estimated(clip, "--output", str(results), "--overlay", str(overlay))
    for reader in readers:
        reader.join(60)

    assert code == 0
    assert results.is_fifo()
    assert overlay.is_fifo()
    assert len(json.loads(readers[0].data)["frames"]) == 2
    assert readers[1].data[4:8] == b"ftyp"


def test_a_device_is_written_through(tmp_path: Path) -> None:
    """A terminal stands for any device: it shows the text, and is still there."""
    ours, theirs = os.openpty()
    device = Path(os.ttyname(theirs))
    try:
        write(device, "hello")

        assert os.read(ours, 100) == b"hello"
        assert device.is_char_device()
    finally:
        os.close(ours)
        os.close(theirs)


WRITE = """
import pathlib, sys
from service.clips.output import text_output
with text_output(pathlib.Path(sys.argv[1])) as file:
    file.write("new\\n")
"""


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_standard_output_by_its_name_goes_on_where_it_was(tmp_path: Path, name: str) -> None:
    """`(echo before; kinepose ...; echo after) > FILE`: nothing that others write there is lost."""
    target = tmp_path / "all"
    with target.open("wb") as file:
        command = 'echo before; "$0" -c "$1" "$2"; echo after'
        subprocess.run(["sh", "-c", command, sys.executable, WRITE, name], stdout=file, check=True)

    assert target.read_text() == "before\nnew\nafter\n"


def test_a_link_stays_and_its_target_is_written(tmp_path: Path) -> None:
    """Also through a chain of links, and where the target does not exist yet."""
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "out.json"
    (tmp_path / "near").symlink_to(Path("real") / "out.json")
    (tmp_path / "far").symlink_to(tmp_path / "near")

    for text in ("first", "second"):
        write(tmp_path / "far", text)

        assert target.read_text() == text
        assert (tmp_path / "far").is_symlink()
        assert (tmp_path / "near").is_symlink()
        assert list(target.parent.iterdir()) == [target]


def test_a_link_to_a_device_is_written_through(tmp_path: Path) -> None:
    """Neither is replaced."""
    ours, theirs = os.openpty()
    link = tmp_path / "link"
    link.symlink_to(os.ttyname(theirs))
    try:
        write(link, "hello")

        assert os.read(ours, 100) == b"hello"
        assert link.is_symlink()
        assert link.is_char_device()
    finally:
        os.close(ours)
        os.close(theirs)


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640])
def test_an_existing_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """Whoever could read it can read it still, and nobody else."""
    path = tmp_path / "out"
    path.touch()
    path.chmod(mode)

    write(path, "new")

    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert path.read_text() == "new"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_an_existing_file_keeps_its_owner(tmp_path: Path) -> None:
    """Root writes for a service that runs as another user."""
    path = tmp_path / "out"
    path.touch()
    os.chown(path, 4711, 4712)

    write(path, "new")

    assert (path.stat().st_uid, path.stat().st_gid) == (4711, 4712)
    assert path.read_text() == "new"


def test_a_file_with_two_names_has_the_same_content_under_both(tmp_path: Path) -> None:
    """A rename would part them."""
    path, other = tmp_path / "out", tmp_path / "other"
    path.write_text("old and longer")
    other.hardlink_to(path)

    write(path, "new")

    assert (path.read_text(), other.read_text()) == ("new", "new")


def test_a_new_file_has_the_mode_that_the_user_chose(tmp_path: Path) -> None:
    """By the umask, as any program's."""
    before = os.umask(0o027)
    try:
        write(tmp_path / "out", "new")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o640


def test_nothing_is_changed_where_the_work_fails(tmp_path: Path) -> None:
    """An existing file stays, a pipe gets nothing, and no temporary file is left."""
    path, pipe = tmp_path / "out", tmp_path / "pipe"
    path.write_text("old")
    os.mkfifo(pipe)

    for target in (path, pipe):
        with pytest.raises(RuntimeError):
            write_half(target)

    assert path.read_text() == "old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out", "pipe"]


@pytest.mark.parametrize("option", ["--output", "--overlay"])
def test_a_folder_is_refused_before_work_begins(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    """Before the clip is even opened: there is none here."""
    folder = tmp_path / "folder"
    folder.mkdir()

    assert main(["estimate", str(tmp_path / "missing.mp4"), option, str(folder)]) == 2
    assert f"{folder}: a folder" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["load", "overhead"])
def test_reports_refuse_a_folder_before_they_measure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Not after a long run."""
    assert main(["bench", command, "--output", str(tmp_path)]) == 2
    assert "a folder" in capsys.readouterr().err


def test_links_in_a_circle_are_told(tmp_path: Path) -> None:
    """They lead nowhere."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    with pytest.raises(OSError, match="levels of symbolic links"):
        check_output(tmp_path / "a")


def test_a_keys_file_behind_a_link_keeps_link_mode_and_owner(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server's user must be able to read it after root has added a key."""
    target, link = tmp_path / "real.json", tmp_path / "keys.json"
    link.symlink_to(target)
    assert main(["keys", "new", "robot", "--file", str(link)]) == 0
    target.chmod(0o660)

    assert main(["keys", "new", "drone", "--file", str(link)]) == 0

    assert link.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o660
    assert main(["keys", "list", "--file", str(link)]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["robot", "drone"]
