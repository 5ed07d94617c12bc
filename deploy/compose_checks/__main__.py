"""`python -m deploy.compose_checks COMMAND`, from the repository's root; exit code 1 says on stderr what was wrong.

`clip` writes the joints of an unbroken run to the file --joints; the other commands compare with it.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from deploy.compose_checks import calls, refused
from deploy.compose_checks.expect import Target, Wrong


def main() -> int:
    """Run a command."""
    parsed = _parser().parse_args()
    key = parsed.key_file.read_text(encoding="utf-8").strip()
    target = Target(parsed.http, parsed.grpc, key, parsed.joints)
    commands: dict[str, Callable[[], None]] = {
        "refused": lambda: refused.refused(target),
        "clip": lambda: calls.clip(target),
        "websocket": lambda: calls.websocket(target),
        "streams": lambda: calls.streams(target, parsed.count, parsed.at, parsed.run),
        "session": lambda: calls.session(target, parsed.at, parsed.run),
        "workers": lambda: calls.workers(target, parsed.count),
    }
    try:
        commands[parsed.command]()
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--http", default="http://127.0.0.1:8000", metavar="URL")
    parser.add_argument("--grpc", default="127.0.0.1:50051", metavar="TARGET")
    parser.add_argument("--key-file", type=Path, required=True)
    parser.add_argument("--joints", type=Path, required=True, help="where the joints of the unbroken run are (.npy)")
    parser.add_argument("--count", type=int, default=1, help="of streams, or of workers")
    parser.add_argument("--at", type=int, default=40, metavar="FRAME", help="the frame before which --run runs")
    parser.add_argument("--run", metavar="COMMAND", help="what disturbs")
    parser.add_argument("command", choices=("refused", "clip", "websocket", "streams", "session", "workers"))
    return parser


if __name__ == "__main__":
    sys.exit(main())
