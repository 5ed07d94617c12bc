"""Writes the OpenAPI document, of which `make typescript` makes src/schema.ts: give it a file."""

import argparse
import json
from pathlib import Path
from typing import Any

from service.config import Settings
from service.processes.frontend import create_app

EXAMPLES = ("example", "examples")


def document() -> str:
    """As JSON, without examples: types have no use for them, and they change with the weights."""
    return json.dumps(_without_examples(create_app(Settings()).openapi()), indent=1) + "\n"


def _without_examples(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: _without_examples(member) for name, member in value.items() if name not in ("example", "examples")
        }
    return [_without_examples(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Write it where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
