"""`python -m tests.fuzz.one TARGET [libFuzzer's options and folders]`: fuzz one target with atheris."""

import resource
import sys

import atheris

with atheris.instrument_imports(include=["model", "service"]):
    from tests.fuzz.corpus import inputs_of
    from tests.fuzz.targets import TARGETS

MORE_KIB = 256 * 1024
"""Memory that inputs may take beyond what the seeds took."""


def main(arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process."""
    target = TARGETS[arguments[1]]
    for seed in inputs_of(target):
        target.check(seed)
    most = _peak_kib() + MORE_KIB

    def check(data: bytes) -> None:
        target.check(data)
        assert _peak_kib() <= most, f"it takes more than {MORE_KIB} KiB"

    atheris.Setup([arguments[0], *arguments[2:]], check)
    atheris.Fuzz()


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    main(sys.argv)
