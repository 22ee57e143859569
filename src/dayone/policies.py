"""What a merge of old rendering, new rendering and the project's files must respect.

Each policy changes the old and the new tree before they are merged, so that git finds nothing to
decide where the decision is made already.
"""

from collections.abc import Callable
from dataclasses import dataclass

from dayone.project import ANSWERS_FILE
from dayone.trees import Entry, Tree

Owner = Callable[[str], str | None]
EDITABLE = ("100644", "100755")


@dataclass(frozen=True)
class Sides:
    """The three sides of a merge; old and new are copies that policies may change."""

    old: Tree
    new: Tree
    own: Tree


def answers_come_from_the_template(sides: Sides) -> None:
    _set(sides.old, ANSWERS_FILE, sides.own.get(ANSWERS_FILE))


def yours_is_never_touched(sides: Sides, owner: Owner, moved: dict[str, str]) -> None:
    """Both renderings take the project's file; where an answer moves its folder, it goes along."""
    for path in [path for path in {**sides.old, **sides.new} if owner(path) == "yours"]:
        mine = sides.own.get(path)
        if path not in sides.old and mine is None:
            continue  # what the template starts with now arrives
        sides.old.pop(path, None)
        goal = moved.get(path)
        if goal and path not in sides.new and goal not in sides.own and owner(goal) == "yours":
            _set(sides.old, path, mine)
            _set(sides.new, goal, mine)
        else:
            _set(sides.old, path, mine)
            _set(sides.new, path, mine)


def deleted_stays_deleted(
    sides: Sides, moved: dict[str, str], moved_by_person: dict[str, str]
) -> list[str]:
    """Forget what the project has deleted; returns the paths."""
    deleted = [path for path in sides.old if path not in sides.own and path not in moved_by_person]
    for path in deleted:
        del sides.old[path]
        sides.new.pop(path, None)
        if path in moved and moved[path] not in sides.own:
            sides.new.pop(moved[path], None)
    return deleted


def line_endings_are_yours(
    sides: Sides,
    read: Callable[[str], bytes],
    store: Callable[[bytes], str],
    moved: dict[str, str],
    moved_by_person: dict[str, str],
) -> None:
    """A file that the project keeps with CRLF is merged with CRLF, wherever either moved it."""
    for path, old in list(sides.old.items()):
        mine = sides.own.get(moved_by_person.get(path, path))
        if mine is None or old.object == mine.object or mine.mode not in EDITABLE:
            continue
        if not _is_crlf(read(mine.object)) or b"\r" in read(old.object):
            continue
        for tree, name in ((sides.old, path), (sides.new, path), (sides.new, moved.get(path, ""))):
            if name in tree and tree[name].mode in EDITABLE:
                content = read(tree[name].object).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
                tree[name] = Entry(tree[name].mode, store(content))


def _is_crlf(content: bytes) -> bool:
    lines = content.count(b"\n")
    return lines > 0 and content.count(b"\r\n") == lines and b"\0" not in content


def _set(tree: Tree, path: str, entry: Entry | None) -> None:
    if entry is None:
        tree.pop(path, None)
    else:
        tree[path] = entry
