"""docs/api.md says of errors what the code does."""

from pathlib import Path

import pytest

from service import errors

API = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.mark.parametrize("code", sorted(errors.BY_CODE))
def test_every_error_is_in_the_documentation_with_its_statuses(code: str) -> None:
    """A row a code, with the HTTP status and the gRPC code that clients get."""
    error = errors.BY_CODE[code]
    assert f"| `{code}` | {error.http_status} | {error.grpc_code.name} |" in API.read_text()
