"""Engines run a KIMNet on a device: torch (CPU, CUDA) and OpenVINO (CPU) behind one small interface."""

from model.engines.base import Engine, EngineError, ModelInput, ModelOutput
from model.engines.choose import open_engine

__all__ = ["Engine", "EngineError", "ModelInput", "ModelOutput", "open_engine"]
