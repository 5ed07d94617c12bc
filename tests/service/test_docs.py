"""docs/api.md and SECURITY.md say what the code does."""

import re
from pathlib import Path

import pytest

from service import errors
from service.config import Settings

ROOT = Path(__file__).parents[2]
API = ROOT / "docs" / "api.md"


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_every_error_is_in_the_documentation_with_its_statuses(code: str) -> None:
    """A row a code, with the HTTP status and the gRPC code that clients get."""
    error = errors.BY_CODE[code]
    assert f"| `{code}` | {error.http_status} | {error.grpc_code.name} |" in API.read_text()


@pytest.mark.parametrize("path", [API, ROOT / "SECURITY.md"], ids=lambda path: path.name)
def test_settings_that_are_named_exist_with_the_values_that_are_stated(path: Path) -> None:
    """`KINEPOSE_NAME` 1,024, or so many MiB or GiB, or (3,600 s): the default."""
    named = re.findall(r"KINEPOSE_([A-Z_]+)`(?: \(?([\d,.]+)(?: (MiB|GiB))?)?", path.read_text())
    assert named
    for name, number, unit in named:
        default = Settings.model_fields[name.lower()].default
        if number:
            assert float(number.replace(",", "").rstrip(".")) * {"MiB": 2**20, "GiB": 2**30}.get(unit, 1) == default, (
                name
            )


def test_every_share_of_a_key_is_in_the_documentation() -> None:
    """Those of the settings."""
    shares = [name for name in Settings.model_fields if name.endswith("_per_key")]
    assert shares
    assert all(f"`KINEPOSE_{name.upper()}`" in API.read_text() for name in shares)
