"""What an update or a changed answer does to a project: both renderings, its files, one merge."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dayone import migrations
from dayone.answers import collect
from dayone.errors import DayoneError, UsageError
from dayone.fast_copier import faster
from dayone.merge import Change, Risk, blocks, changes, kept, merge, ownership, risks
from dayone.migrations import Migration
from dayone.opening import open_mended
from dayone.policies import Sides
from dayone.project import ANSWERS_FILE, Project, read_answers
from dayone.render import render, render_again
from dayone.screen import Screen
from dayone.source import Source
from dayone.template import Template
from dayone.trees import Conflict, Tree, Trees
from dayone.versions import choose_target, open_source_of, recorded_commit

AFTER_UPDATE = "hooks/after_update.py"


@dataclass(frozen=True)
class Options:
    """What the command line asked for."""

    project: Path = Path()
    template: str | None = None
    vcs_ref: str | None = None
    defaults: bool = False
    data: list[str] = field(default_factory=list)
    data_file: Path | None = None
    hooks: bool | None = None


@dataclass(frozen=True)
class Evolution:
    """All that a plan shows and an update commits."""

    project: Project
    source: Source
    old: Template
    new: Template
    version: str  # of the new template, as Copier records it
    answers: dict[str, Any]
    changed_answers: dict[str, tuple[Any, Any]]
    new_questions: dict[str, Any]
    lost_answers: list[str]  # that the new version does not accept any more
    changes: list[Change]
    at_risk: list[Risk]
    conflicts: list[Conflict]
    deleted: list[str]  # by the project's people, and still part of the template
    kept: list[str]  # owner yours, where the template starts with something else now
    migrations: list[Migration]
    own: Tree
    theirs: Tree  # the new version as it was rendered
    merged: Tree
    trees: Trees

    @property
    def branch(self) -> str:
        """Where an update with conflicts is left."""
        return f"dayone/update-{self.version}"

    @property
    def blocked(self) -> list[Risk]:
        return [risk for risk in self.at_risk if risk.outcome == "blocks"]

    @property
    def nothing_to_do(self) -> bool:
        return not self.changes and not self.conflicts and not self.migrations


@contextmanager
def evolve(
    options: Options,
    screen: Screen,
    *,
    committed: bool,
    ready: Callable[[Project], None] = lambda project: None,
) -> Iterator[Evolution]:
    """Merge in a temporary folder: the project's commit, or its files as they lie there."""
    project = open_mended(options.project, screen)
    ready(project)
    with ExitStack() as stack:
        stack.enter_context(faster())  # both renderings share what is compiled
        with screen.working("Reading the template"):
            source = stack.enter_context(open_source_of(project, options.template))
        old = Template(source.repository, recorded_commit(project, source), project.source)
        target = choose_target(project, source, options.vcs_ref, old.commit)
        new = Template(source.repository, target, source.name)
        given = collect(options.data, options.data_file, new)
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="dayone-evolve-")))
        with screen.working("Rendering the version that the project has"):
            old_folder = render_old(project, old, scratch)
        with screen.working("Rendering the new version") if options.defaults else ExitStack():
            new_folder = render_new(project, new, given, scratch, defaults=options.defaults)
        with screen.working("Merging"):
            trees = Trees(scratch, project.top)
            own = (
                trees.of_commit(project.head, project.prefix)
                if committed
                else trees.of_work_tree(project.folder, project.prefix)
            )
            sides = Sides(trees.of_folder(old_folder), trees.of_folder(new_folder), own)
            labels = (project.version, source.describe(new.commit))
            merged = merge(trees, sides, ownership(new, old), labels)
        answers = _answers(new_folder)
        changed = _changed(project.answers, answers)
        unasked = set(changed) - set(given)
        yield Evolution(
            project=project,
            source=source,
            old=old,
            new=new,
            version=labels[1],
            answers=answers,
            changed_answers=changed,
            new_questions={name: answers[name] for name in answers if name not in project.answers},
            lost_answers=sorted(unasked & set(project.answers) & set(answers)),
            changes=changes(merged, sides),
            at_risk=risks(merged, sides, new) + blocks(merged.tree, own, project.folder),
            conflicts=merged.conflicts,
            deleted=merged.deleted,
            kept=kept(merged, sides),
            migrations=migrations.pending(new, project.folder),
            own=own,
            theirs=sides.new,
            merged=merged.tree,
            trees=trees,
        )


def render_old(project: Project, old: Template, scratch: Path) -> Path:
    """The project as the template made it, which shows whether its answers were edited by hand."""
    folder = scratch / "old" / project.folder.name
    for name, question in old.questions().items():
        stored = project.answers.get(name, question.get("default"))
        if isinstance(stored, list) != question.get("multiselect", False):
            raise _edited_by_hand(project, f"{name} is {stored!r}")
    try:
        render(old, folder, project.answers, defaults=True)
    except UsageError as error:
        raise _edited_by_hand(project, str(error)) from error
    for name, (stored, rendered) in _changed(project.answers, _answers(folder)).items():
        raise _edited_by_hand(
            project, f"{name} is {stored!r}, where {project.version} gives {rendered!r}."
        )
    return folder


def render_new(
    project: Project, new: Template, given: Mapping[str, Any], scratch: Path, *, defaults: bool
) -> Path:
    """The new version with the project's answers and what changes in them."""
    folder = scratch / "new" / project.folder.name
    folder.mkdir(parents=True)
    shutil.copy(project.folder / ANSWERS_FILE, folder)
    render_again(new, folder, dict(given), defaults=defaults)
    return folder


def _answers(project: Path) -> dict[str, Any]:
    return {name: value for name, value in read_answers(project).items() if name[0] != "_"}


def _edited_by_hand(project: Project, detail: str) -> DayoneError:
    return DayoneError(
        f"{project.folder / ANSWERS_FILE} was edited by hand: {detail.rstrip('.')}. Put it back as "
        "it was; answers are changed with dayone update -d NAME=VALUE"
    )


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Answers that differ, as they were and as they are; None where there is none."""
    return {
        name: (before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    }
