"""How each command comes to its project: first what a killed update left there is put right."""

from pathlib import Path

from dayone.aside import mend
from dayone.project import Project, open_project
from dayone.screen import Screen


def open_mended(path: Path, screen: Screen) -> Project:
    """The project at a folder; until it is mended, its files may be half those of a version."""
    for kept in mend(path):
        screen.warn(f"An update was cut off, and was undone; your later edit is in {kept}.")
    return open_project(path)
