"""The merge of a new version into a project, and what is to be said about it."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from dayone import policies
from dayone.ownership import Ownership
from dayone.policies import Owner, Sides
from dayone.project import ANSWERS_FILE, files_below, git
from dayone.template import Template
from dayone.trees import Conflict, Tree, Trees


@dataclass(frozen=True)
class Change:
    """One path of the project before and after."""

    path: str
    kind: str  # added, changed, removed, renamed
    owner: str
    edited: bool
    before: str | None = None  # the path that was renamed


@dataclass(frozen=True)
class Risk:
    """An edit of the project's people that the update meets, and what becomes of it."""

    path: str
    why: str
    outcome: str  # carried, kept, conflict, blocks


def ownership(new: Template, old: Template) -> Owner:
    """Who owns a path, by the new version's table, and the old one's for what is no more."""
    tables = [Ownership(template.config.get("_ownership") or {}) for template in (new, old)]

    def owner(path: str) -> str | None:
        return next(filter(None, (table.owner_of(path) for table in tables)), None)

    return owner


@dataclass(frozen=True)
class Merged:
    """A merge, and what is needed to tell people about it."""

    tree: Tree
    conflicts: list[Conflict]
    deleted: list[str]
    moved: dict[str, str]
    moved_by_person: dict[str, str]
    moved_in_project: dict[str, str]
    owner: Owner


def merge(trees: Trees, raw: Sides, owner: Owner, versions: tuple[str, str]) -> Merged:
    """Merge what the template changed into the project's files, under the policies."""
    sides = Sides(dict(raw.old), dict(raw.new), raw.own)
    old, own = trees.write(raw.old), trees.write(raw.own)
    moved = trees.renames(old, trees.write(raw.new))
    moved_by_person = trees.renames(old, own)
    policies.answers_come_from_the_template(sides)
    policies.yours_is_never_touched(sides, owner, moved)
    deleted = policies.deleted_stays_deleted(sides, moved, moved_by_person)
    policies.line_endings_are_yours(sides, trees.blob, trees.store, moved, moved_by_person)
    before, after = (f"template-{version}" for version in versions)
    base = trees.commit(trees.write(sides.old), "base")
    trees.commit(own, "yours", base)
    trees.commit(trees.write(sides.new), after, base)
    result = trees.merge("yours", after, base=before)
    return Merged(
        tree=trees.of_commit(result.tree, ""),
        conflicts=result.conflicts,
        deleted=deleted,
        moved=moved,
        moved_by_person=moved_by_person,
        moved_in_project=trees.renames(own, result.tree),
        owner=owner,
    )


def changes(merged: Merged, raw: Sides) -> list[Change]:
    """What happens to each path of the project."""
    came_from = {after: before for before, after in merged.moved_in_project.items()}
    found = []
    for path in sorted({**raw.own, **merged.tree}):
        before = came_from.get(path)
        if path not in merged.tree:
            if path in merged.moved_in_project:
                continue
            kind = "removed"
        elif path not in raw.own:
            kind = "renamed" if before else "added"
        elif raw.own[path] != merged.tree[path]:
            kind = "changed"
        else:
            continue
        people = (before or path) not in raw.old and path not in raw.new
        owner = "yours" if people else merged.owner(path) or "template"
        found.append(Change(path, kind, owner, _edited(before or path, raw), before))
    return found


def _edited(path: str, raw: Sides) -> bool:
    return path in raw.own and raw.own[path] != raw.old.get(path) and path != ANSWERS_FILE


def risks(merged: Merged, raw: Sides, new: Template) -> list[Risk]:
    """The edits of people that the new version does not simply leave alone."""
    in_conflict = {conflict.path: conflict.why for conflict in merged.conflicts}
    emitted = patterns(new)
    found = {}
    for path, old in raw.old.items():
        mine = merged.moved_by_person.get(path, path)
        if path == ANSWERS_FILE or raw.own.get(mine) == old or mine not in raw.own:
            continue
        goal = merged.moved.get(path)
        if goal:
            why, place = f"renamed to {goal}", goal
        elif path not in raw.new:
            off = any(pattern.fullmatch(path) for pattern in emitted)
            why, place = "switched off by an answer" if off else "removed by the template", mine
        elif mine in in_conflict:
            why, place = in_conflict[mine], mine
        else:
            continue
        if merged.owner(path) == "yours":
            outcome = "kept"
        else:
            outcome = "conflict" if {place, mine} & set(in_conflict) else "carried"
        found[path] = Risk(path, why, outcome)
    covered = {*found, *(merged.moved.get(path) for path in found)}
    for path, why in in_conflict.items():
        if path not in covered:
            found[path] = Risk(path, why, "conflict")
    return list(found.values())


def kept(merged: Merged, raw: Sides) -> list[str]:
    """The files of the project's people that the template starts differently now."""
    return [
        path
        for path in raw.new
        if merged.owner(path) == "yours"
        and path in raw.own
        and raw.own[path] != raw.new[path] != raw.old.get(path)
    ]


def patterns(template: Template) -> list[re.Pattern[str]]:
    """The paths that a version can emit, whatever the answers."""
    folder = template.config.get("_subdirectory", "")
    listed = git(
        "ls-tree", "-r", "-z", "--name-only", f"{template.commit}:{folder}", cwd=template.repository
    )
    names = [path.removesuffix(".jinja") for path in filter(None, listed.split("\0"))]
    return [
        re.compile("[^/]*".join(map(re.escape, re.split(r"{{.*?}}", name))))
        for name in names
        if not re.fullmatch(r"{{.*?}}", name)  # the answers file
    ]


def blocks(tree: Tree, own: Tree, folder: Path) -> list[Risk]:
    """New paths at which something lies already that git does not know, or nearly lies."""
    by_case: dict[str, list[str]] = {}
    for path in tree:
        by_case.setdefault(path.casefold(), []).append(path)
    found = []
    for path in sorted(set(tree) - set(own)):
        for other in by_case[path.casefold()]:
            if other != path:
                found.append(
                    Risk(path, f"it differs from {other} in upper and lower case only", "blocks")
                )
        taken = _taken(folder, path, own)
        if taken:
            found.append(Risk(path, f"{taken} lies there, and git does not track it", "blocks"))
    return found


def _taken(folder: Path, path: str, own: Tree) -> str | None:
    parts = path.split("/")
    for depth in range(1, len(parts) + 1):
        part = "/".join(parts[:depth])
        here = folder / part
        if not os.path.lexists(here):
            return None
        if part in own:
            continue
        if here.is_symlink() or not here.is_dir():
            return part
        if depth == len(parts):  # a folder, which goes when all that is in it goes
            inside = (f"{part}/{name}" for name in files_below(here))
            return next((name for name in inside if name not in own), None)
    return None
