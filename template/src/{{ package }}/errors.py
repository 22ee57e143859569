"""What a person can put right: commands print the message and no traceback."""


class ProjectError(Exception):
    """The message names what is wrong and the way out."""
