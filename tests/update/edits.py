"""What people do to a project between two updates, and what must become of it.

Each kind of edit is a function that changes a project's folder and returns what must survive. It
chooses the file from what the update is about to do, so that every kind meets the template's change
that it is about, and fails where there is none.
"""

import difflib
import fnmatch
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from . import chain
from .fates import Edit, Update, lines_of
from .projects import ANSWERS_FILE, Tree

# Lines between a user's edit and the template's that never collide.
FAR = 8
WORDS = "# The team's own line, not the template's"


# The kinds of edit -----------------------------------------------------------------------------


def none(project: Path, update: Update) -> Edit:
    """Did nothing."""
    return Edit()


def yours(project: Path, update: Update) -> Edit:
    """Tuned a parameter, wrote a feature and the charter: files that are theirs."""
    _set_parameter(project, "leaves: 8", "leaves: 12")
    features = _only(update.old, "src/*/features.py")
    own = [features, "docs/charter.md", "sql/training.sql"]
    for path in own:
        _append(project, path, "-- ours" if path.endswith(".sql") else WORDS)
    return Edit(
        paths=frozenset({"params.yaml", *own}),
        lines=("  leaves: 12",),
        files={path: (project / path).read_bytes() for path in own},
    )


def shared_far_away(project: Path, update: Update) -> Edit:
    """Wrote a line into a shared file that the template changes elsewhere."""
    return _insert_far(project, update, changed(update, "shared"))


def shared_same_lines(project: Path, update: Update) -> Edit:
    """Changed a line of a shared file that the template changes too."""
    return _overwrite_changed_line(project, update, changed(update, "shared"))


def template_far_away(project: Path, update: Update) -> Edit:
    """Wrote a line into a file of the template, which it changes elsewhere."""
    return _insert_far(project, update, changed(update, "template"))


def template_same_lines(project: Path, update: Update) -> Edit:
    """Changed a line of a file of the template that it changes too."""
    return _overwrite_changed_line(project, update, changed(update, "template"))


def template_moved_lines(project: Path, update: Update) -> Edit:
    """Changed a line that the template moves."""
    path, index = next(_moved_lines(update))
    line = lines_of(update.old[path])[index]
    return _overwrite(project, update, path, index, f"{line}  {WORDS}")


def renamed_file(project: Path, update: Update) -> Edit:
    """Wrote a line into a file that the template renames."""
    path, new = sorted(renamed(update).items())[0]
    _append(project, path, WORDS)
    return Edit(paths=frozenset({path, new}), lines=(WORDS,))


def removed_file(project: Path, update: Update) -> Edit:
    """Wrote a line into a file that the template removes."""
    path = sorted(update.old.keys() - update.new.keys() - renamed(update).keys())[0]
    _append(project, path, WORDS)
    return Edit(paths=frozenset({path}), lines=(WORDS,))


def switched_off_file(project: Path, update: Update) -> Edit:
    """Wrote a line into a file that another answer switches off."""
    path = next(
        path
        for pattern in ("src/*/serve/app.py", "src/*/score.py")
        for path in fnmatch.filter(update.old.keys() - update.new.keys(), pattern)
    )
    _append(project, path, WORDS)
    return Edit(paths=frozenset({path}), lines=(WORDS,))


def moved(project: Path, update: Update) -> Edit:
    """Renamed a file that the template changes."""
    path = changed(update, "template")[-1]
    new = str(Path(path).with_stem(f"our_{Path(path).stem}"))
    (project / path).rename(project / new)
    return Edit(
        paths=frozenset({path, new}), lines=_kept_lines(update, path), absent=frozenset({path})
    )


def deleted(project: Path, update: Update) -> Edit:
    """Deleted a file that the template changes, and one that it only brings once."""
    gone = {changed(update, "template")[-1], "data/sample/make_flights.py"}
    for path in gone:
        (project / path).unlink()
    return Edit(paths=frozenset(gone), absent=frozenset(gone))


def added_with_same_content(project: Path, update: Update) -> Edit:
    """Added a file that the template adds later with the same content."""
    path = added(update)
    data = update.new[path].data
    return _own_file(project, path, data)


def added_with_other_content(project: Path, update: Update) -> Edit:
    """Added a file that the template adds later with other content."""
    return _own_file(project, added(update), f"{WORDS}\n".encode())


def crlf(project: Path, update: Update) -> Edit:
    """Gave a file the line endings of Windows."""
    path = "README.md"
    assert path in changed(update, "shared")
    data = (project / path).read_bytes().replace(b"\n", b"\r\n")
    (project / path).write_bytes(data)
    return Edit(paths=frozenset({path}), crlf=frozenset({path}))


def mode(project: Path, update: Update) -> Edit:
    """Made a file executable."""
    path = changed(update, "template")[0]
    (project / path).chmod(0o755)
    return Edit(paths=frozenset({path}), executable=frozenset({path}))


def non_ascii_names(project: Path, update: Update) -> Edit:
    """Added files and folders with names that are not ASCII."""
    own = {
        "docs/Überblick, Été.md": "# Überblick\n".encode(),
        "daten/größe/ключ.txt": "ключ\n".encode(),
        "src/日本語.txt": b"\xff\x00 no text\n",
    }
    for path, data in own.items():
        _own_file(project, path, data)
    return Edit(paths=frozenset(own), files=own)


def reformatted_pyproject(project: Path, update: Update) -> Edit:
    """Indented pyproject.toml in another way."""
    path = "pyproject.toml"
    old = (project / path).read_text(encoding="utf-8")
    new = re.sub(r"(?m)^    ", "  ", old)
    (project / path).write_text(new, encoding="utf-8")
    lines = set(new.splitlines()) - set(old.splitlines())
    return Edit(paths=frozenset({path}), lines=tuple(lines))


class Kind(NamedTuple):
    """A kind of edit.

    `needs` is what it must meet in the versions between, `collides` says that a conflict is right,
    and `switches` that the update comes with another answer to `serving`.
    """

    make: Callable[[Path, Update], Edit]
    needs: str | None = None
    collides: bool = False
    switches: bool = False


KINDS = {
    kind.make.__name__: kind
    for kind in (
        Kind(none),
        Kind(yours),
        Kind(shared_far_away),
        Kind(shared_same_lines, collides=True),
        Kind(template_far_away),
        Kind(template_same_lines, collides=True),
        Kind(template_moved_lines, "moves", collides=True),
        Kind(renamed_file, "renames"),
        Kind(removed_file, "removals", collides=True),
        Kind(switched_off_file, collides=True, switches=True),
        Kind(moved),
        Kind(deleted),
        Kind(added_with_same_content, "additions"),
        Kind(added_with_other_content, "additions", collides=True),
        Kind(crlf),
        Kind(mode),
        Kind(non_ascii_names),
        Kind(reformatted_pyproject, collides=True),
    )
}


# What the update is about to do -------------------------------------------------------------------


def changed(update: Update, owner: str) -> list[str]:
    """The owner's text files that both versions have, and that differ."""
    return sorted(
        path
        for path in update.old.keys() & update.new.keys()
        if update.old[path].data != update.new[path].data
        and update.owners.owner_of(path) == owner
        and path != ANSWERS_FILE
    )


def renamed(update: Update) -> dict[str, str]:
    """The files that have another name in the new version, with that name."""
    pairs = {
        old: new
        for before, after in chain.RENAMED.items()
        for old in fnmatch.filter(update.old, before)
        for new in fnmatch.filter(update.new, after)
    }
    return {old: new for old, new in pairs.items() if old not in update.new}


def added(update: Update) -> str:
    """A path that only the new version has."""
    news = update.new.keys() - update.old.keys() - set(renamed(update).values())
    return min(path for path in news if update.owners.owner_of(path) != "yours")


def _opcodes(update: Update, path: str) -> list[tuple[str, int, int, int, int]]:
    old, new = lines_of(update.old[path]), lines_of(update.new[path])
    return difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes()


def _moved_lines(update: Update) -> Iterator[tuple[str, int]]:
    """Lines that are gone from their place and stand once elsewhere in the same file."""
    for path in changed(update, "template"):
        old, new = lines_of(update.old[path]), lines_of(update.new[path])
        for tag, start, end, _, _ in _opcodes(update, path):
            for index in range(start, end) if tag in ("delete", "replace") else ():
                if old.count(old[index]) == new.count(old[index]) == 1:
                    yield path, index


def _insert_far(project: Path, update: Update, paths: list[str]) -> Edit:
    """A line of one's own, in place of an empty one, where the template changes nothing near."""
    path, index = next(
        (path, index)
        for path in paths
        for index, line in enumerate(lines_of(update.old[path]))
        if not line and all(abs(index - place) >= FAR for place in _changed_places(update, path))
    )
    return _overwrite(project, update, path, index, WORDS)


def _changed_places(update: Update, path: str) -> list[int]:
    """Where the changes of a file begin and end, as line numbers of the old version."""
    return [
        place for tag, *places, _, _ in _opcodes(update, path) if tag != "equal" for place in places
    ]


def _overwrite_changed_line(project: Path, update: Update, paths: list[str]) -> Edit:
    path, index = next(
        (path, start)
        for path in paths
        for tag, start, *_ in _opcodes(update, path)
        if tag == "replace"
    )
    return _overwrite(project, update, path, index, WORDS)


def _overwrite(project: Path, update: Update, path: str, index: int, words: str) -> Edit:
    lines = lines_of(update.old[path])
    lines[index] = words
    (project / path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Edit(paths=frozenset({path}), lines=(words,))


def _kept_lines(update: Update, path: str) -> tuple[str, ...]:
    """The lines of a file that the new version has as well."""
    return tuple(set(lines_of(update.old[path])) & set(lines_of(update.new[path])))


def _only(tree: Tree, pattern: str) -> str:
    (path,) = fnmatch.filter(tree, pattern)
    return path


# Files --------------------------------------------------------------------------------------------


def _append(project: Path, path: str, line: str) -> None:
    apart = "\n\n" if path.endswith(".py") else ""  # as the formatter wants it
    with (project / path).open("a", encoding="utf-8") as file:
        file.write(f"{apart}{line}\n")


def _set_parameter(project: Path, old: str, new: str) -> None:
    path = project / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def _own_file(project: Path, path: str, data: bytes) -> Edit:
    (project / path).parent.mkdir(parents=True, exist_ok=True)
    (project / path).write_bytes(data)
    return Edit(paths=frozenset({path}), files={path: data})
