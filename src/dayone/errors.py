"""What ends a command early: one message for a person, and an exit code."""

from pathlib import Path

FINDINGS = 3  # the exit code of a command that worked, and found what a person must look at


class DayoneError(Exception):
    """Something is wrong that a person can mend; the message says what and how."""

    exit_code = 1


class UsageError(DayoneError):
    """The command was called in a way that cannot work."""

    exit_code = 2


class ProjectStaysError(DayoneError):
    """The project was written, but a step after the rendering failed."""

    def __init__(self, message: str, commands: list[str], dest: Path) -> None:
        self.commands = commands
        self.dest = dest
        super().__init__(message)


class RefusedError(DayoneError):
    """The project's own command refused its input."""

    def __init__(self, message: str, exit_code: int) -> None:
        self.exit_code = exit_code
        super().__init__(message)
