"""`kinepose keys`: make, list and remove the API keys that a server takes. It reads the file again by itself."""

import argparse
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from service.auth.api_keys import KeyFile, KeyRecord, Limits, hashed, new_key
from service.cli.failures import BAD_INPUT, CommandFailed
from service.cli.settings import settings_with
from service.clips.output_file import whole_or_nothing

# The server may run as another user of the same group; nobody else has to know who may call.
MODE = 0o640

LIMITS = {
    "frames_per_s": "frames of sessions a second",
    "sessions_per_minute": "sessions begun a minute",
    "clips_per_minute": "clips begun a minute",
    "max_sessions": "sessions alive at once",
}


def describe(parser: argparse.ArgumentParser) -> None:
    """Describe the command."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    new = actions.add_parser("new", help="make a key and print it, once: the file keeps a hash of it")
    new.add_argument("id", metavar="ID", help="a name for it: letters, digits and inner hyphens, at most 64")
    for name, text in LIMITS.items():
        new.add_argument(f"--{name.replace('_', '-')}", type=int, metavar="N", help=f"{text}, at most")
    new.add_argument("--operator", action="store_true", help="it may read /metrics, which other keys may not")
    new.set_defaults(run=_new)
    listed = actions.add_parser("list", help="names and limits of the keys")
    listed.set_defaults(run=_list)
    remove = actions.add_parser("remove", help="take a key out; calls with it are refused from then on")
    remove.add_argument("id", metavar="ID")
    remove.set_defaults(run=_remove)
    for action in (new, listed, remove):
        action.add_argument("--file", type=Path, help="the keys file (default: KINEPOSE_API_KEYS_FILE)")


def _new(arguments: argparse.Namespace) -> None:
    key = new_key(arguments.id)
    record = _record(arguments, key)
    with _changing(_path(arguments)) as file:
        if any(known.id == record.id for known in file.keys):
            raise CommandFailed(f"there is a key {record.id} already; remove it first, or take another name", BAD_INPUT)
        file.keys.append(record)
    print(key)


def _record(arguments: argparse.Namespace, key: str) -> KeyRecord:
    try:
        limits = Limits(**{name: getattr(arguments, name) for name in LIMITS})
        role: Literal["client", "operator"] = "operator" if arguments.operator else "client"
        return KeyRecord(id=arguments.id, sha256=hashed(key), limits=limits, role=role)
    except ValueError:
        raise CommandFailed(
            "an id holds at most 64 letters, digits and inner hyphens; limits are 1 or more", BAD_INPUT
        ) from None


def _list(arguments: argparse.Namespace) -> None:
    for record in _read(_path(arguments)).keys:
        limits = (f"{name}={value}" for name, value in record.limits if value is not None)
        print(record.id, *(["operator"] if record.role == "operator" else []), *limits)


def _remove(arguments: argparse.Namespace) -> None:
    with _changing(_path(arguments)) as file:
        left = [record for record in file.keys if record.id != arguments.id]
        if len(left) == len(file.keys):
            raise CommandFailed(f"there is no key {arguments.id}", BAD_INPUT)
        file.keys = left


def _path(arguments: argparse.Namespace) -> Path:
    path: Path | None = arguments.file or settings_with().api_keys_file
    if path is None:
        raise CommandFailed("which file? Give --file, or set KINEPOSE_API_KEYS_FILE", BAD_INPUT)
    return path


def _read(path: Path) -> KeyFile:
    """The file; an empty one where there is none yet."""
    try:
        return KeyFile.read(path)
    except FileNotFoundError:
        return KeyFile()
    except ValueError as error:
        raise CommandFailed(f"{path}: {error}", BAD_INPUT) from error


@contextmanager
def _changing(path: Path) -> Iterator[KeyFile]:
    """The file, to be changed, and written when the block ends well; two at once go one after the other."""
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        file = _read(path)
        yield file
        _write(path, file)
    finally:
        os.close(folder)


def _write(path: Path, file: KeyFile) -> None:
    # Moved to its place once it is whole: a server never reads half a file.
    with whole_or_nothing(path) as part, part.open("w", encoding="utf-8") as text:
        os.fchmod(text.fileno(), MODE)
        text.write(file.model_dump_json(indent=2, exclude_none=True) + "\n")
        text.flush()
        os.fsync(text.fileno())
