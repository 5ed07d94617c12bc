"""The training loop and what it keeps: engine, optimiser, averages, checkpoints, logs."""
