"""OpenVINO, imported so that it calls nobody and loads what computes alone. All of ours import it from here."""

import sys
from types import ModuleType
from typing import Any, cast

_modules = cast(dict[str, ModuleType | None], sys.modules)
# OpenVINO reports its use over the network from the moment of its import, if it finds this package. A service
# that handles pictures of people calls nobody.
_modules.setdefault("openvino_telemetry", None)
# What converts other formats: 140 modules, 14 MB and 0.07 s of CPU, which serving does without. OpenVINO does, too,
# where it is not there; whoever converts imports it later.
_modules.setdefault("openvino.tools.ovc", None)
try:
    import openvino as ov  # type: ignore[import-untyped]
finally:
    if _modules["openvino.tools.ovc"] is None:
        del _modules["openvino.tools.ovc"]

__all__ = ["conversion_errors", "convert_model", "ov"]


def convert_model(traced: Any, shapes: list[tuple[int, ...]], examples: tuple[Any, ...]) -> ov.Model:
    """The graph of a traced torch module for inputs like the examples. Raises one of `conversion_errors()`."""
    from openvino.tools.ovc import convert_model as convert  # type: ignore[import-untyped]

    return convert(traced, input=shapes, example_input=examples)


def conversion_errors() -> tuple[type[Exception], ...]:
    """What `convert_model` raises."""
    from openvino.frontend import GeneralFailure, OpConversionFailure  # type: ignore[import-untyped]

    return RuntimeError, GeneralFailure, OpConversionFailure
