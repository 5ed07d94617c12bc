"""`python -m service.pb.generate [--check]`: make the stubs from proto/, or tell whether they are up to date.

The path mapping `-Iservice/pb=proto/kinepose/v1` makes protoc believe that the IDL lies in this package, so
that the generated imports are right as they come out.
"""

import argparse
import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path("service/pb")
NAMES = ("pose_pb2.py", "pose_pb2.pyi", "pose_pb2_grpc.py", "pose_pb2_grpc.pyi")


def generate(out: Path) -> None:
    """Write the stubs below `out`, in the folders of their package. RuntimeError with protoc's words."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{PACKAGE}=proto/kinepose/v1"]
    command += [f"--{kind}_out={out}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    run = subprocess.run(
        [*command, str(PACKAGE / "pose.proto")], cwd=ROOT, env=_with_plugins(), capture_output=True, text=True
    )
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
        return [name for name in NAMES if not _same(fresh / name, ROOT / PACKAGE / name)]


def _same(one: Path, other: Path) -> bool:
    return other.exists() and one.read_bytes() == other.read_bytes()


def main() -> int:
    """Generate, or with --check compare. Exit code 1 when a stub is stale."""
    parser = argparse.ArgumentParser(prog="python -m service.pb.generate", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a stub is out of date")
    if not parser.parse_args().check:
        generate(ROOT)
        return 0
    names = stale()
    if names:
        print(f"out of date: {', '.join(names)}; run `make proto`", file=sys.stderr)
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main())
