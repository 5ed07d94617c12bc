"""Writes the OpenAPI document, of which `make typescript` makes src/schema.ts: give it a file."""

import argparse
import json
from pathlib import Path

from service.config import Settings
from service.processes.frontend import create_app


def document() -> str:
    """As JSON."""
    return json.dumps(create_app(Settings()).openapi(), indent=1) + "\n"


def main() -> None:
    """Write it where the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    output: Path = parser.parse_args().output
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(document(), encoding="utf-8")


if __name__ == "__main__":
    main()
