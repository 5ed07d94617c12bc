"""Engines run a KIMNet on a device: torch (CPU, CUDA) and OpenVINO (CPU) behind one small interface."""
