"""OpenVINO, imported so that it calls nobody. All of ours import it from here."""

import sys
from types import ModuleType
from typing import cast

# OpenVINO reports its use over the network from the moment of its import, if it finds this package. A service
# that handles pictures of people calls nobody.
cast(dict[str, ModuleType | None], sys.modules).setdefault("openvino_telemetry", None)

import openvino as ov  # type: ignore[import-untyped]  # noqa: E402

__all__ = ["conversion_errors", "ov"]


def conversion_errors() -> tuple[type[Exception], ...]:
    """What `ov.convert_model` raises."""
    from openvino.frontend import GeneralFailure, OpConversionFailure  # type: ignore[import-untyped]

    return RuntimeError, GeneralFailure, OpConversionFailure
