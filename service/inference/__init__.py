"""Frames computed in this process: decoded, batched, run on the device, committed."""
