"""How long a start takes: `python -m tests.bench.start out/clip.mp4 .venv/bin/kinepose other/bin/kinepose`.

Each program in turn, in rounds: CPU of `--help`, first joints of a clip (cold process, wall), a server till it is ready
(wall), and what it holds then. Prints the medians of the rounds as a Markdown table, in seconds and MB.
"""

import argparse
import os
import socket
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE_S = 120.0
COLUMNS = (
    "--help, CPU s",
    "first joints, s",
    "whole clip, s",
    "whole clip, CPU s",
    "ready, s",
    "ready, CPU s",
    "RSS, MB",
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("programs", type=Path, nargs="+", help="`kinepose` of one environment or several")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    rounds = [[_round(program, args.clip) for program in args.programs] for _ in range(args.rounds)]
    print("|", " | ".join(("program", *COLUMNS)), "|")
    print("|" + "---|" * (len(COLUMNS) + 1))
    for program, runs in zip(args.programs, zip(*rounds, strict=True), strict=True):
        medians = [statistics.median(values) for values in zip(*runs, strict=True)]
        print("|", " | ".join((str(program), *(f"{value:.2f}" for value in medians))), "|")


def _round(program: Path, clip: Path) -> list[float]:
    return [_help(program), *_estimate(program, clip), *_serve(program)]


def _help(program: Path) -> float:
    return _cpu(subprocess.Popen([program, "--help"], stdout=subprocess.DEVNULL))


def _estimate(program: Path, clip: Path) -> tuple[float, float, float]:
    """Seconds to the first line of joints and to the end, and CPU seconds."""
    begin = time.perf_counter()
    process = subprocess.Popen([program, "estimate", clip, "--format", "ndjson"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    with process.stdout as lines:
        lines.readline()
        first = time.perf_counter() - begin
        lines.read()
    return first, time.perf_counter() - begin, _cpu(process)


def _serve(program: Path) -> tuple[float, float, float]:
    """Seconds until it is ready, CPU seconds of all its threads by then, and resident MB."""
    port = _free_port()
    begin = time.perf_counter()
    process = subprocess.Popen(
        [program, "serve", "--http-port", str(port), "--grpc-port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _ready(f"http://127.0.0.1:{port}/readyz"):
            if time.perf_counter() - begin > PATIENCE_S or process.poll() is not None:
                raise SystemExit(f"{program}: no server")
            time.sleep(0.02)
        return time.perf_counter() - begin, _cpu_so_far(process.pid), _resident(process.pid)
    finally:
        process.terminate()
        process.wait()


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S):
            return True
    except (urllib.error.URLError, ConnectionError):
        return False


def _cpu(process: "subprocess.Popen[bytes]") -> float:
    """CPU seconds of a process that ends by itself."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{process.args!r}: exit code {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def _cpu_so_far(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


if __name__ == "__main__":
    main()
