"""`dayone drift`: how a project's files differ from those that its version of the template made."""

import datetime
import json
import os
import shlex
import shutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.text import Text

from dayone import policies
from dayone.errors import FINDINGS
from dayone.evolve import render_old
from dayone.keeps import KEEPS_FILE, Keep, deciding, read_keeps, refuse_idle
from dayone.merge import ownership
from dayone.opening import open_mended
from dayone.ownership import OWNERS
from dayone.policies import Sides
from dayone.project import Project, git
from dayone.restore import behind, only_fix, restore
from dayone.screen import Screen
from dayone.template import Template
from dayone.trees import Tree, Trees
from dayone.versions import open_source_of, recorded_commit

STATES = ("same", "changed", "deleted", "missing")
_MARKS = {"changed": "~", "deleted": "-", "missing": "?"}
_KEEP_DAYS = 90


@dataclass(frozen=True)
class File:
    """A file that the template made, and what became of it."""

    path: str
    owner: str
    state: str
    keep: Keep | None

    @property
    def differs(self) -> bool:
        """Whether it belongs to the template and is not as the template made it."""
        return self.owner == "template" and self.state != "same"

    @property
    def finding(self) -> bool:
        return self.differs and (self.keep is None or self.keep.expired)


@dataclass
class Drift:
    project: Project
    files: list[File]
    fixed: list[str] = field(default_factory=list)

    @property
    def findings(self) -> list[File]:
        return [file for file in self.files if file.finding]

    @property
    def exit_code(self) -> int:
        return FINDINGS if self.findings and not self.fixed else 0


def drift(path: Path, screen: Screen, *, fix: bool = False) -> Drift:
    """Compare the project as it lies there with its version of the template; restore, if asked."""
    project = open_mended(path, screen)
    keeps = read_keeps(project.folder)
    with ExitStack() as stack:
        bench = stack.enter_context(only_fix(project)) if fix else None
        with screen.working("Reading the template"):
            source = stack.enter_context(open_source_of(project, None))
            commit = recorded_commit(project, source)
        template = Template(source.repository, commit, project.source)
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="dayone-drift-")))
        with screen.working("Rendering the version that the project has"):
            rendered = render_old(project, template, scratch)
        with screen.working("Comparing"):
            trees = Trees(scratch, project.top)
            sides = _sides(trees, rendered, project, scratch)
            found = Drift(project, _files(sides, template, project, keeps))
        if bench and found.findings:
            wanted = {file.path: sides.old[file.path] for file in found.findings}
            restore(project, wanted, sides.own, trees, bench)
            found.fixed = list(wanted)
    return found


def _sides(trees: Trees, rendered: Path, project: Project, scratch: Path) -> Sides:
    """Rendering and project, made comparable by the policies that an update has."""
    own = trees.of_work_tree(project.folder, project.prefix)
    old = trees.of_folder(rendered)
    own |= _ignored(trees, project.folder, [path for path in old if path not in own], scratch)
    sides = Sides(old, {}, own)
    policies.answers_come_from_the_template(sides)  # wrong ones were refused, by rendering
    policies.line_endings_are_yours(sides, trees.blob, trees.store, {}, {})
    return sides


def _ignored(trees: Trees, project: Path, paths: list[str], scratch: Path) -> Tree:
    """What lies at these paths though git does not see it."""
    copies = scratch / "ignored"
    copies.mkdir()
    for path in paths:
        lies = project / path
        if os.path.lexists(lies) and not behind(project, path) and not lies.is_dir():
            (copies / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(lies, copies / path, follow_symlinks=False)
    return trees.of_folder(copies)


def _files(sides: Sides, template: Template, project: Project, keeps: list[Keep]) -> list[File]:
    owner_of = ownership(template, template)
    owners = {path: owner_of(path) or "template" for path in sorted(sides.old)}
    held = [path for path, owner in owners.items() if owner == "template"]
    refuse_idle(keeps, held, project.version)
    had = _ever_had(project, [path for path in owners if path not in sides.own])
    files = []
    for path, owner in owners.items():
        if path in sides.own:
            state = "same" if sides.own[path] == sides.old[path] else "changed"
        else:
            state = "deleted" if path in had else "missing"
        keep = deciding(keeps, path) if owner == "template" else None
        files.append(File(path, owner, state, keep))
    return files


def _ever_had(project: Project, paths: list[str]) -> set[str]:
    """Those of the paths that the history of the project's branch knows."""
    if not paths:
        return set()
    listed = git(
        "--literal-pathspecs", "-c", "log.showRoot=true", "log", "--format=", "-z",
        "--full-history", "--name-only", "--no-renames", "--relative", project.head, "--",
        *paths, cwd=project.folder,
    )  # fmt: skip
    return {name.strip("\n") for name in listed.split("\0")}


# What is said about it ---------------------------------------------------------------------------


def as_json(found: Drift) -> str:
    report = {
        "project": str(found.project.folder),
        "template": found.project.source,
        "version": found.project.version,
        "counts": {owner: counts(found, owner) for owner in OWNERS},
        "files": [_as_dict(file) for file in found.files],
        "findings": [file.path for file in found.findings],
        "fixed": found.fixed,
    }
    return json.dumps(report, ensure_ascii=False, indent=2)


def _as_dict(file: File) -> dict[str, Any]:
    keep = file.keep and {
        "path": file.keep.path,
        "reason": file.keep.reason,
        "until": file.keep.until.isoformat(),
        "expired": file.keep.expired,
    }
    return {"path": file.path, "owner": file.owner, "state": file.state, "keep": keep}


def counts(found: Drift, owner: str) -> dict[str, int]:
    counted = Counter(file.state for file in found.files if file.owner == owner)
    return {state: counted[state] for state in STATES}


def show(found: Drift, path: Path, screen: Screen, *, fix: bool) -> None:
    """Counts for all files, names for those of the template that differ, and what to do."""
    out, version = screen.out, found.project.version
    out.print(Text(f"{found.project.folder.name}, made by {version}:", style="bold"))
    for owner in OWNERS:
        counted = [f"{number} {state}" for state, number in counts(found, owner).items() if number]
        out.print(Text(f"  {owner:<9} {', '.join(counted) or 'no file'}"))
    kept = [file for file in found.files if file.differs and not file.finding]
    for title, files in (("Drifted from the template", found.findings), ("Kept", kept)):
        if files:
            out.print(Text(f"\n{title}:", style="bold"))
        for file in files:
            out.print(Text(f"  {_MARKS[file.state]} {file.path}  {file.state}{_opt_out(file)}"))
    if found.fixed:
        _say_fixed(found, screen)
    elif found.findings:
        _say_next(found, path, screen)
    else:
        nothing = "Nothing to fix" if fix else "No drift"
        out.print(f"\n{nothing}{' but for what is kept' * bool(kept)}.")


def _opt_out(file: File) -> str:
    if file.keep is None:
        return ""
    if file.keep.expired:
        return f", opt-out expired on {file.keep.until}: {file.keep.reason}"
    return f", until {file.keep.until}: {file.keep.reason}"


def _say_fixed(found: Drift, screen: Screen) -> None:
    count = len(found.fixed)
    screen.out.print(
        f"\nRestored {count} file{'s' * (count > 1)} to what {found.project.version} made. "
        "Nothing is committed: look at the result first.",
        markup=False,
    )
    screen.next_steps(["git status", "git diff", "git add --all && git commit"])


def _say_next(found: Drift, path: Path, screen: Screen) -> None:
    where = "" if path == Path() else f" {shlex.quote(str(path))}"
    screen.next_steps([f"dayone drift{where} --fix   # restores them, and leaves it uncommitted"])
    new = [file for file in found.findings if file.keep is None]
    if len(new) < len(found.findings):
        screen.out.print(f"\nOr give expired opt-outs a later day, in {KEEPS_FILE}.", markup=False)
    if new:
        until = datetime.date.today() + datetime.timedelta(days=_KEEP_DAYS)
        screen.out.print(
            f"\nOr keep what is meant to differ: for each file or folder, put into {KEEPS_FILE}\n\n"
            f"[[keep]]\npath = {json.dumps(new[0].path, ensure_ascii=False)}\n"
            f'reason = ""  # say why\nuntil = {until}',
            markup=False,
        )
