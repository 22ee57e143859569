"""`dayone update`: the plan as one commit on the project's branch, or nothing at all."""

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rich.text import Text

from dayone import migrations
from dayone.aside import Aside, aside, refuse_unready
from dayone.errors import FINDINGS, DayoneError
from dayone.evolve import AFTER_UPDATE, Evolution, Options, evolve
from dayone.hooks import Event, run_hook
from dayone.project import find_uv, record, typed_uv
from dayone.report import as_dict, show, summary
from dayone.screen import Screen
from dayone.trees import Conflict

CONSENT = "Run what the template brings for updates: migrations, locking, the project's checks?"


@dataclass
class Updated:
    """What became of an update; `result` is nothing, updated or conflicts."""

    result: str = "nothing"
    commit: str | None = None
    branch: str | None = None
    checks: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plan: dict[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        failed = [check for check in self.checks if not check["passed"]]
        return FINDINGS if self.result == "conflicts" or failed else 0


def update(options: Options, screen: Screen) -> Updated:
    """Plan, finish the commit aside, bring it in, then check the project."""
    updated = Updated()
    with evolve(options, screen, committed=True, ready=refuse_unready) as evolution:
        show(evolution, screen, hooks_wanted=options.hooks is not False)
        updated.plan = as_dict(evolution)
        if evolution.nothing_to_do:
            return updated
        refuse_blocked(evolution)
        if evolution.conflicts:
            leave(evolution, updated)
            screen_conflicts(evolution, updated, screen)
            return updated
        consent = _has_consent(options, evolution, screen)
        if not consent:
            updated.notes += waiting(evolution)
            if not evolution.changes:
                return _tell(updated, screen)
        with screen.steps() as show_event:
            report = _collect(updated, show_event)
            bring(evolution, updated, consent, report)
            if consent:
                check(evolution, updated, report)
    screen_updated(evolution, updated, screen)
    return updated


def waiting(evolution: Evolution) -> list[str]:
    """What is left out without consent; the project's lint asks for the migrations."""
    notes = [
        f"Migration {migration.name} waits: dayone update --hooks runs it."
        for migration in evolution.migrations
    ]
    if evolution.changes and evolution.new.read(AFTER_UPDATE) is not None:
        notes.append(f"Left out, to be run: {typed_uv()} lock && {typed_uv()} run nox")
    return notes


def leave(evolution: Evolution, updated: Updated) -> None:
    """Commit the merge with its conflict markers on a branch of its own."""
    branch = evolution.branch
    with aside(evolution.project) as bench:
        bench.refuse_taken(branch)
        relocate(evolution, bench)
        bench.take(evolution.own, evolution.merged, evolution.trees)
        listed = "\n".join(f"conflict: {one.path}: {one.why}" for one in evolution.conflicts)
        commit = bench.commit(f"{subject(evolution)}\n\n{summary(evolution)}\n{listed}\n")
        bench.leave_on_branch(branch, commit)
    updated.result, updated.commit, updated.branch = "conflicts", commit, branch


def bring(
    evolution: Evolution, updated: Updated, consent: bool, report: Callable[[Event], None]
) -> None:
    """Make the commit aside, with migrations and lock, and put it in place."""
    with aside(evolution.project) as bench:
        relocate(evolution, bench)
        bench.take(evolution.own, evolution.merged, evolution.trees)
        if consent:
            migrate(evolution, bench, report)
            _hook(evolution, bench.folder, "commit", report)
        commit = bench.commit(f"{subject(evolution)}\n\n{summary(evolution)}\n")
        report({"event": "doing", "text": "Putting it in place"})
        bench.bring_in(commit, f"dayone update: {subject(evolution)}")
    updated.result, updated.commit = "updated", commit


def relocate(evolution: Evolution, bench: Aside) -> None:
    """Record in a commit of its own where the template is now."""
    project, name = evolution.project, evolution.source.name
    if name != project.source:
        record(bench.folder, "_src_path", name)
        bench.commit(f"Template moved\n\nIt was at {project.source}\nand is at {name}\n")


def migrate(evolution: Evolution, bench: Aside, report: Callable[[Event], None]) -> None:
    settings = {
        "from": evolution.project.version,
        "to": evolution.version,
        "answers": evolution.answers,
    }
    for migration in evolution.migrations:
        report({"event": "doing", "text": f"Migration {migration.name}"})
        migrations.run(migration, bench.folder, settings, report)
        migrations.record(bench.folder, migration)


def check(evolution: Evolution, updated: Updated, report: Callable[[Event], None]) -> None:
    """Run the project's quick checks; the update is done, whatever they say."""
    try:
        _hook(evolution, evolution.project.folder, "project", report)
    except DayoneError as error:
        updated.notes.append(f"The update is done, but the project's checks could not run: {error}")


def refuse_blocked(evolution: Evolution) -> None:
    if evolution.blocked:
        first, *rest = evolution.blocked
        more = f" The same holds for {len(rest)} more." if rest else ""
        raise DayoneError(
            f"The new version brings {first.path}, but {first.why}.{more} "
            "Rename, remove or commit what is yours, then try again; nothing was changed."
        )


def subject(evolution: Evolution) -> str:
    if evolution.old.commit != evolution.new.commit:
        return f"Update from template {evolution.project.version} to {evolution.version}"
    if evolution.changed_answers:
        return f"Answer {', '.join(evolution.changed_answers)} anew"
    return f"Update to template {evolution.version}"


def screen_conflicts(evolution: Evolution, updated: Updated, screen: Screen) -> None:
    count = len(evolution.conflicts)
    prefix = evolution.project.prefix
    only = f"--only -- {shlex.quote(prefix)}" if prefix else "--all"
    screen.out.print(Text("\nConflicts:", style="bold"))
    for conflict in evolution.conflicts:
        screen.out.print(Text(f"  {conflict.path}: {conflict.why}{_unmarked(evolution, conflict)}"))
    screen.warn(
        f"{count} file{'s' * (count > 1)} in conflict. Nothing was changed on your branch; the "
        f"update with its conflict markers is on {updated.branch}."
    )
    migrations_wait = ["dayone update   # runs the migrations"] if evolution.migrations else []
    screen.next_steps(
        [
            f"git switch {updated.branch}",
            "git diff --check HEAD~1   # lists the markers; edit the files until there are none",
            f"git commit --amend --no-edit {only}",
            f"git switch - && git merge {updated.branch} && git branch -d {updated.branch}",
            *migrations_wait,
            f"{typed_uv()} lock && {typed_uv()} run nox",
        ]
    )


def _unmarked(evolution: Evolution, conflict: Conflict) -> str:
    """How to take the other side of a conflict that has no place for markers."""
    path = shlex.quote(conflict.path)
    entry = evolution.merged.get(conflict.path)
    if entry is None or b"\n>>>>>>> " in evolution.trees.blob(entry.object):
        return ""
    other = evolution.theirs.get(conflict.path)
    if other is None:
        return f" (it stays; to let it go: git rm {path})"
    if other == entry:
        return " (the template's is there)"
    evolution.trees.hand_over([other.object])
    return f" (yours stays; for the template's: git cat-file blob {other.object[:12]} > {path})"


def screen_updated(evolution: Evolution, updated: Updated, screen: Screen) -> None:
    if updated.commit is None:
        return
    screen.out.print(f"\nDone: commit {updated.commit[:12]}, {subject(evolution)}.", markup=False)
    _tell(updated, screen)
    for one in updated.checks:
        word = "passed" if one["passed"] else "FAILED"
        screen.out.print(f"  nox -s {one['name']}: {word}", markup=False)
        if not one["passed"]:
            screen.err.print("\n".join(one["output"].splitlines()[-20:]), markup=False)
    if updated.exit_code:
        screen.next_steps(["git show --stat", "git revert --no-edit HEAD   # undoes the update"])


def _tell(updated: Updated, screen: Screen) -> Updated:
    for note in updated.notes:
        screen.warn(note)
    return updated


def _hook(evolution: Evolution, folder: Any, phase: str, report: Callable[[Event], None]) -> None:
    code = evolution.new.read(AFTER_UPDATE)
    if code is not None:
        settings = {"phase": phase, "uv": find_uv(), "typed_uv": typed_uv()}
        run_hook(code, folder, settings, report)


def _collect(updated: Updated, show_event: Callable[[Event], None]) -> Callable[[Event], None]:
    def report(event: Event) -> None:
        if event["event"] == "checked":
            updated.checks.append(
                {"name": event["text"], "passed": event["passed"], "output": event["output"]}
            )
        elif event["event"] == "warning":
            updated.notes.append(event["text"])
        else:
            show_event(event)

    return report


def _has_consent(options: Options, evolution: Evolution, screen: Screen) -> bool:
    if options.hooks is not None:
        return options.hooks
    if options.defaults:
        return True
    return sys.stdin.isatty() and screen.confirm(CONSENT)
