"""The subcommands of `kinepose`, one a file: `add(subparsers)` says what it takes, `run(arguments)` does it."""
