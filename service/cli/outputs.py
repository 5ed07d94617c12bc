"""Where a command is told to write, looked at before it begins."""

from pathlib import Path

from service.cli.failures import BAD_INPUT, CommandFailed
from service.clips.output_file import check_output


def check_outputs(*paths: Path | None) -> None:
    """CommandFailed for the first path that cannot be written, before there is anything to write. None: stdout."""
    for path in filter(None, paths):
        try:
            check_output(path)
        except OSError as error:
            raise CommandFailed(f"{error.filename}: {error.strerror}", BAD_INPUT) from error
