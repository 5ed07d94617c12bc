"""`python -m tools.stubs [--check]`: make the stubs from proto/, or tell whether they are up to date.

The path mapping `-Ikinepose_client/pb=proto/kinepose/v1` makes protoc believe that the IDL lies in the client's
package, so that the generated imports are right as they come out.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CLIENT = ROOT / "clients" / "python"
PACKAGE = Path("kinepose_client/pb")
SERVICES, MESSAGES = ("pose.proto",), ("status.proto",)
STUBS = ("_pb2.py", "_pb2.pyi")
GRPC_STUBS = ("_pb2_grpc.py", "_pb2_grpc.pyi")
NAMES = (
    *(name.replace(".proto", stub) for name in SERVICES for stub in STUBS + GRPC_STUBS),
    *(name.replace(".proto", stub) for name in MESSAGES for stub in STUBS),
)


def generate(out: Path) -> None:
    """Write the stubs below `out`, in the folders of their package. RuntimeError with protoc's words."""
    _protoc(out, SERVICES + MESSAGES, ("python", "mypy"))
    _protoc(out, SERVICES, ("grpc_python", "mypy_grpc"))


def _protoc(out: Path, names: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PACKAGE}=proto/kinepose/v1"]
    command += [f"--{kind}_out={out}" for kind in kinds]
    command += [str(PACKAGE / name) for name in names]
    run = subprocess.run(command, cwd=ROOT, env=_with_plugins(), capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"protoc failed:\n{run.stderr}")


def _with_plugins() -> dict[str, str]:
    # mypy-protobuf's plugins are scripts beside this interpreter, which need not be on PATH.
    scripts = sysconfig.get_path("scripts")
    return {**os.environ, "PATH": os.pathsep.join([scripts, os.environ.get("PATH", "")])}


def stale() -> list[str]:
    """Names of committed stubs that differ from what the IDL gives now."""
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder))
        fresh = Path(folder) / PACKAGE
        return [name for name in NAMES if not _same(fresh / name, CLIENT / PACKAGE / name)]


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def main() -> int:
    """Generate, or with --check compare. Exit code 1 when a stub is stale."""
    parser = argparse.ArgumentParser(prog="python -m tools.stubs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a stub is out of date")
    if not parser.parse_args().check:
        generate(CLIENT)
        return 0
    names = stale()
    if names:
        print(f"out of date: {', '.join(names)}; run `make proto`", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
