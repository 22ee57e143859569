"""The real template, rendered in this process.

    project = render({"serving": ["batch"]}, tmp_path / "my-poc")

`render` takes the template as it is in the work tree, committed or not, answers every other
question with its default, and writes the project to `dest`, which must not exist. Equal calls are
rendered once per process and copied after that, so that a test may change what it gets. `snapshot`
is the work tree as one commit in a repository of its own, for tests that call Copier or the CLI
themselves: its path and the commit, whose hash depends on nothing but the content.
"""

import json
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from copier import Settings, run_copy

from support import ROOT
from support.git import git

TEMPLATE_PATHS = ("copier.yml", "includes", "hooks", "template")
_FIXED = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "T"), ("EMAIL", "t@example.com"), ("DATE", "2026-01-01T00:00Z"))
}
_rendered = tempfile.TemporaryDirectory(prefix="dayone-tests-")


class Snapshot(NamedTuple):
    repository: Path
    commit: str


@cache
def snapshot() -> Snapshot:
    """The template's part of the work tree as one commit."""
    repository = Path(_rendered.name) / "template"
    git(ROOT, "init", "--quiet", str(repository))
    here = {"GIT_DIR": str(repository / ".git"), "GIT_WORK_TREE": str(ROOT)}
    git(ROOT, "add", "--all", "--", *TEMPLATE_PATHS, **here)
    git(ROOT, "commit", "--quiet", "--message", "Snapshot", **here, **_FIXED)
    git(repository, "reset", "--quiet", "--hard")
    return Snapshot(repository, git(repository, "rev-parse", "HEAD"))


def render(answers: Mapping[str, Any] | None, dest: Path) -> Path:
    """Render the real template with these answers, and defaults for the rest, into a new folder."""
    cached = _render_once(json.dumps(answers or {}, sort_keys=True), dest.name)
    return Path(shutil.copytree(cached, dest, symlinks=True))


@cache
def _render_once(answers: str, name: str) -> Path:
    folder = Path(tempfile.mkdtemp(dir=_rendered.name), name)
    template = snapshot()
    run_copy(
        str(template.repository),
        folder,
        data=json.loads(answers),
        vcs_ref=template.commit,
        defaults=True,
        quiet=True,
        settings=Settings(),
    )
    return folder
