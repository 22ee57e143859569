"""What must be found after an update of an edited project, and what an update did with the edit."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from dayone.ownership import Ownership

from .projects import File, Tree


@dataclass(frozen=True)
class Update:
    """Fresh copies of the old and the new version, with the same answers; whose a path is."""

    old: Tree
    new: Tree
    owners: Ownership

    def expected(self) -> Tree:
        """The update of an unedited project: a fresh copy, but for files that are yours."""
        kept = {path: self.old[path] for path in self.old if self.owners.owner_of(path) == "yours"}
        return self.new | kept


@dataclass(frozen=True)
class Edit:
    """What the user did, as what must be found after an update unless it is listed."""

    paths: frozenset[str] = frozenset()
    lines: tuple[str, ...] = ()
    files: dict[str, bytes] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    executable: frozenset[str] = frozenset()
    crlf: frozenset[str] = frozenset()


class Outcome(NamedTuple):
    """What an update left: the files, the paths in conflict, and all paths that it named."""

    tree: Tree
    conflicts: frozenset[str] = frozenset()
    named: frozenset[str] = frozenset()


class Fate(StrEnum):
    KEPT = "kept"
    LISTED = "listed"
    MISSED = "missed"  # the edit is there, and the template's change to its file is not
    LOST = "lost"


def fate(edit: Edit, update: Update, outcome: Outcome) -> Fate:
    if edit.paths & outcome.conflicts:
        return Fate.LISTED
    if survives(edit, outcome.tree):
        if edit.paths & outcome.named or arrived(edit, update, outcome.tree):
            return Fate.KEPT
        return Fate.MISSED
    return Fate.LISTED if edit.paths & outcome.named else Fate.LOST


def survives(edit: Edit, tree: Tree) -> bool:
    """Whether a tree has everything that the user did."""
    everywhere = {line for file in tree.values() for line in lines_of(file)}
    return (
        everywhere.issuperset(edit.lines)
        and all(tree.get(path, File(b"")).data == data for path, data in edit.files.items())
        and not edit.absent & tree.keys()
        and all(path in tree and tree[path].executable for path in edit.executable)
        and all(path in tree and _is_crlf(tree[path].data) for path in edit.crlf)
    )


def arrived(edit: Edit, update: Update, tree: Tree) -> bool:
    """Whether what the template changed in the files of the edit is in those files."""
    if edit.paths == edit.absent:
        return True
    at_hand = {line for path in edit.paths & tree.keys() for line in lines_of(tree[path])}
    wanted = {
        line
        for path in edit.paths & update.new.keys()
        if update.owners.owner_of(path) != "yours"
        for line in set(lines_of(update.new[path])) - set(lines_of(update.old.get(path, File(b""))))
    }
    return wanted <= at_hand


def lines_of(file: File) -> list[str]:
    """The lines of a text, however they end."""
    return file.data.decode("utf-8", errors="replace").splitlines()


def _is_crlf(data: bytes) -> bool:
    return b"\n" not in data.replace(b"\r\n", b"")
