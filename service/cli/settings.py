"""Settings of a command: the environment's, with what the command line says on top."""

import difflib
import os
import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import ValidationError

from service.cli.failures import BAD_INPUT, CommandFailed
from service.config import Settings

PREFIX: Final = "KINEPOSE_"
NO_SETTINGS: Final = frozenset(("tag", "data", "movenet", "container_lab"))
"""Of docker compose, and of tests."""
SERVICE_LINK: Final = re.compile(r"(^|_)(service_host|service_port(_\w+)?|port(_\d+_(tcp|udp)(_(proto|port|addr))?)?)$")
"""What Kubernetes tells in a pod of a Service that is called kinepose, or begins so."""


def settings_with(**given: Any) -> Settings:
    """Settings where `given` values that are not None come first; CommandFailed with one line if one is wrong."""
    check_names(os.environ)
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        faults = (f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors())
        raise CommandFailed(f"settings: {'; '.join(faults)}", BAD_INPUT) from error


def check_names(environment: Iterable[str]) -> None:
    """CommandFailed for a variable that looks like a setting and is none: it would be passed over in silence."""
    for variable in environment:
        name = variable.lower().removeprefix(PREFIX.lower())
        if not variable.upper().startswith(PREFIX) or name in Settings.model_fields or name in NO_SETTINGS:
            continue
        if not SERVICE_LINK.search(name):
            near = difflib.get_close_matches(name, Settings.model_fields, 1)
            hint = f"; is {PREFIX}{near[0].upper()} meant?" if near else "; `kinepose settings` lists them"
            raise CommandFailed(f"{variable} is no setting{hint}", BAD_INPUT)
