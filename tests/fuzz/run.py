"""`python -m tests.fuzz.run [--seconds S] [TARGET...]`: fuzz with atheris, and say what was found. Exit code 0 or 1.

What came out as interesting stays in `out/fuzz/grown/` and is where the next run begins.
"""

import argparse
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.corpus import FOLDER, inputs_of
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

OUT = Path("out/fuzz")
INPUT_S = 20
"""An input that takes longer is a finding."""
LAST_LINES = 30
RUNS = re.compile(rb"number_of_executed_units: (\d+)")
NEW = re.compile(rb"new_units_added: +(\d+)")
NO_ATHERIS = "there is no atheris for this machine (x86-64, Python up to 3.13): only the tests fuzz here"


@dataclass(frozen=True)
class Outcome:
    """Of one target.

    Attributes:
        runs, new: inputs tried, and those of them that came to lines that none before came to.
        findings: files with inputs that failed.
        failed: it did not run to its end, by one of them or by a seed.
    """

    runs: int
    new: int
    findings: list[Path]
    failed: bool


def main() -> int:
    """Fuzz one target after the other."""
    arguments = _arguments()
    if importlib.util.find_spec("atheris") is None:
        print(NO_ATHERIS)
        return 0
    targets = [TARGETS[name] for name in arguments.targets or TARGETS]
    shares = sum(target.share for target in targets)
    failed = False
    for target in targets:
        outcome = fuzz(target, max(1, round(arguments.seconds * target.share / shares)))
        print(f"{target.name:18} {outcome.runs:9} inputs, {outcome.new:5} new", flush=True)
        for path in outcome.findings:
            print(f"  failed: {path.read_bytes()[:200]!r}\n  keep it: cp {path} {FOLDER / target.name}/", flush=True)
        failed |= outcome.failed
    return int(failed)


def fuzz(target: Target, seconds: int) -> Outcome:
    """Fuzz a target for so long, or until an input fails."""
    grown, seeds, failures = (OUT / kind / target.name for kind in ("grown", "seeds", "failures"))
    for folder in (seeds, failures):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in (grown, seeds, failures):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(inputs_of(target)):
        (seeds / str(number)).write_bytes(data)
    # Memory is measured input by input; libFuzzer's own limit looks once a second.
    options = [f"-max_total_time={seconds}", f"-timeout={INPUT_S}", "-rss_limit_mb=0", "-print_final_stats=1"]
    command = [sys.executable, "-m", "tests.fuzz.one", target.name, str(grown), str(seeds), *options]
    ended = subprocess.run([*command, f"-artifact_prefix={failures}/"], stderr=subprocess.PIPE, check=False)
    if ended.returncode:
        sys.stderr.buffer.write(b"\n".join(ended.stderr.splitlines()[-LAST_LINES:]) + b"\n")
    runs, new = (_number(pattern, ended.stderr) for pattern in (RUNS, NEW))
    return Outcome(runs, new, sorted(failures.iterdir()), bool(ended.returncode))


def _number(pattern: re.Pattern[bytes], text: bytes) -> int:
    found = pattern.search(text)
    return int(found[1]) if found else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="in all (default 600)")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
