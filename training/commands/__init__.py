"""The commands of `kinepose-train`, one a module: `add_arguments` says what it takes, `run` does it."""
