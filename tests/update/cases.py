"""Which edit meets which update: every kind with every pair of versions that it can meet.

Answers take turns, so that all pairs of the three occur. `CASES` is a seeded sample, or everything:

    DAYONE_FULL=1          everything, as `nox -s full` does
    DAYONE_UPDATE_SEED=7   another sample
"""

import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from support.git import commit_all

from .chain import PAIRS, Pair, meets
from .edits import KINDS
from .fates import Edit, Update
from .projects import Templates, read_tree

NAME = {"project_name": "Late flights"}
ANSWERS: dict[str, dict[str, Any]] = {
    "defaults": NAME,
    "batch only": {**NAME, "serving": ["batch"]},
    "realtime only": {**NAME, "serving": ["realtime"], "python_version": "3.11"},
    "sources and cloud": {**NAME, "cloud": "aws", "data_sources": ["files", "sql", "rest"]},
    "free text": {**NAME, "description": "Größe: \"5 %\" of $9 & {{ 'more' }}", "owner": "Ó # 'N'"},
}
SEED = int(os.environ.get("DAYONE_UPDATE_SEED", "3"))
SAMPLE = 24

# pytest's record_property, by which a test says what it tried.
Record = Callable[[str, object], None]


class Case(NamedTuple):
    """One update of a project with one kind of edit."""

    pair: Pair
    answers: str
    kind: str

    def __str__(self) -> str:
        return f"{self.kind}-{self.pair.old}-{self.pair.new}-{self.answers}".replace(" ", "-")


class Started(NamedTuple):
    """A project that somebody has edited and committed, and what the update is about to do.

    `data` are the answers that change with it.
    """

    project: Path
    edit: Edit
    update: Update
    data: dict[str, Any]


def start(case: Case, templates: Templates, folder: Path) -> Started:
    project = templates.project(case.pair.old, ANSWERS[case.answers], folder)
    kind = KINDS[case.kind]
    data = {"serving": _other(ANSWERS[case.answers].get("serving"))} if kind.switches else {}
    update = between(case.pair, templates, project, data)
    edit = kind.make(project, update)
    if edit != Edit():
        commit_all(project, case.kind)
    return Started(project, edit, update, data)


def _other(serving: list[str] | None) -> list[str]:
    return ["realtime"] if serving == ["batch"] else ["batch"]


def between(
    pair: Pair, templates: Templates, project: Path, data: Mapping[str, Any] | None = None
) -> Update:
    new = templates.after(pair.new, project, data or {})
    return Update(read_tree(project), new, templates.owners(pair.new))


def all_cases() -> list[Case]:
    names = list(ANSWERS)
    return [
        Case(pair, names[(row + column) % len(names)], kind)
        for row, (kind, (_, needs, *_)) in enumerate(KINDS.items())
        for column, pair in enumerate(PAIRS)
        if needs is None or needs in meets(pair)
    ]


def sample(cases: list[Case], seed: int, count: int) -> list[Case]:
    """Every kind of edit once, then others; the same for the same seed."""
    shuffled = random.Random(seed).sample(cases, len(cases))  # noqa: S311
    first = {case.kind: case for case in reversed(shuffled)}.values()
    rest = [case for case in shuffled if case not in first]
    return sorted([*first, *rest[: max(0, count - len(first))]])


EVERYTHING = os.environ.get("DAYONE_FULL") == "1"
CASES = all_cases() if EVERYTHING else sample(all_cases(), SEED, SAMPLE)
