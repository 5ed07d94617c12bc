"""The training loop and what it keeps: trainer, optimiser, averages, checkpoints, logs."""
