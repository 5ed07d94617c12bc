"""Settings of a command: the environment's, with what the command line says on top."""

from typing import Any

from pydantic import ValidationError

from service.cli.failures import BAD_INPUT, CommandFailed
from service.config import Settings


def settings_with(**given: Any) -> Settings:
    """Settings where `given` values that are not None come first; CommandFailed with one line if one is wrong."""
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = (f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise CommandFailed(f"settings: {'; '.join(faults)}", BAD_INPUT) from error
