"""How a command ends when it cannot go on: one line on stderr, and an exit code."""

RUNTIME_FAILURE = 1
BAD_INPUT = 2


class CommandFailed(Exception):
    """A command cannot go on.

    Attributes:
        exit_code: RUNTIME_FAILURE, or BAD_INPUT where the arguments or the input are at fault.
    """

    def __init__(self, message: str, exit_code: int = RUNTIME_FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code
