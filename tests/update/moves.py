"""Projects whose answers change, with what people have edited in them."""

import ast
import json
import shutil
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from support.cli import dayone
from support.git import commit_all

from . import ours
from .cases import NAME
from .chain import TAGS
from .projects import Templates, Tree, read_tree, recorded_answers

NEWEST = TAGS[-1]
Answers = Mapping[str, Any]
Edit = Callable[[Path], None]


class Move(NamedTuple):
    """Answers of a project, and those that change."""

    before: Answers
    data: Answers


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def edited(templates: Templates, tag: str, answers: Answers, edit: Edit, folder: Path) -> Path:
    project = templates.project(tag, {**NAME, **answers}, folder)
    edit(project)
    commit_all(project, "Edited")
    return project


def same_edits(
    templates: Templates, tag: str, project: Path, data: Answers, edit: Edit, began_with: Tree
) -> Tree:
    """A fresh copy with the answers as they change, what is yours as it began, and the edits."""
    owner_of = templates.owners(tag).owner_of
    folder = project.with_name(f"expected-{tag}-{len(list(project.parent.iterdir()))}")
    shutil.copytree(templates.rendered(tag, {**recorded_answers(project), **data}), folder)
    for path, file in began_with.items():
        if owner_of(path) == "yours":
            write(folder / path, "")
            (folder / path).write_bytes(file.data)
    edit(folder)
    return read_tree(folder)


def difference(one: Tree, other: Tree) -> list[str]:
    return sorted(path for path in {**one, **other} if one.get(path) != other.get(path))


def _compose(text: bytes) -> object:
    """Forges have tags of their own, and Backstage several documents in a file."""
    return list(yaml.compose_all(text, yaml.SafeLoader))


def check_syntax(tree: Tree) -> None:
    """Each file is of the kind that its name says."""
    readers: dict[str, Callable[[bytes], object]] = {
        ".json": json.loads,
        ".py": ast.parse,
        ".toml": lambda data: tomllib.loads(data.decode()),
        ".yaml": _compose,
        ".yml": _compose,
    }
    for path, file in tree.items():
        readers.get(Path(path).suffix, bytes)(file.data)


def there_and_back(move: Move, edit: Edit, templates: Templates, folder: Path) -> None:
    """As a fresh copy would be with the same edits; then again what it was."""
    project = edited(templates, NEWEST, move.before, edit, folder / "project")
    before = read_tree(project)
    began_with = read_tree(templates.rendered(NEWEST, {**NAME, **move.before}))
    expected = same_edits(templates, NEWEST, project, move.data, edit, began_with)
    owner_of = templates.owners(NEWEST).owner_of

    report = ours.update(project, NEWEST, move.data)

    assert (report.code, report.said["result"]) == (ours.DONE, "updated")
    tree = read_tree(project)
    assert difference(tree, expected) == []
    check_syntax(tree)
    gone = {path for path in before if path not in tree}
    changes = report.said["changes"]
    listed = {one["path"] for one in changes if one["kind"] == "removed"}
    listed |= {one["before"] for one in changes if one["kind"] == "renamed"}
    assert gone == listed, gone ^ listed
    assert [path for path in gone if owner_of(path) == "yours"] == []
    yours = [path for path in before if owner_of(path) == "yours"]
    assert [path for path in yours if tree[path] != before[path]] == []

    report = ours.update(project, NEWEST, move.before)
    assert report.said["result"] == "updated"
    after = read_tree(project)
    arrived = {path for path in tree if path not in before and owner_of(path) == "yours"}
    assert difference(after, before | {path: tree[path] for path in arrived}) == []


def plan(project: Path, data: Answers) -> dict[str, Any]:
    given = [
        f"--data={name}={','.join(value) if isinstance(value, list) else value}"
        for name, value in data.items()
    ]
    result = dayone("plan", project, "--vcs-ref", NEWEST, "--json", *given)
    assert result.code == 0, result.err
    return dict(json.loads(result.out))
