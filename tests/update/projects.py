"""Projects of the chain's versions: rendered once for all tests of a run, then copied.

The chain, and what was rendered from it, lies in one folder for all processes of a pytest run: the
first that needs something makes it elsewhere and moves it into place.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from copier import Settings, run_copy

from dayone.fast_copier import faster
from dayone.ownership import Ownership
from support.git import commit_all, git

from . import chain

ANSWERS_FILE = ".copier-answers.yml"
Answers = Mapping[str, Any]


class File(NamedTuple):
    """A file's content and whether it may be executed."""

    data: bytes
    executable: bool = False


Tree = dict[str, File]


class Templates:
    """The chain of versions, and projects rendered from them."""

    def __init__(self, shared: Path) -> None:
        self.shared = shared
        self.repository = _made_once(shared / "template", chain.build)

    def commit(self, tag: str) -> str:
        return git(self.repository, "rev-parse", f"{tag}^{{commit}}")

    def config(self, tag: str) -> dict[str, Any]:
        return dict(yaml.safe_load(git(self.repository, "show", f"{tag}:copier.yml")))

    def owners(self, tag: str) -> Ownership:
        return Ownership(self.config(tag)["_ownership"])

    def rendered(self, tag: str, answers: Answers) -> Path:
        """A fresh copy, not to be changed: the same folder for the same commit and answers.

        Answers to what the version does not ask yet are left out. It is made by the fast Copier;
        the tests of plain Copier compare what the slow one makes with it.
        """
        questions = self.config(tag)
        answers = {name: answer for name, answer in answers.items() if name in questions}
        known = json.dumps([self.commit(tag), answers], sort_keys=True)
        name = hashlib.sha256(known.encode()).hexdigest()[:16]

        def render(folder: Path) -> Path:
            with faster():
                run_copy(
                    str(self.repository),
                    folder,
                    data=answers,
                    vcs_ref=self.commit(tag),
                    defaults=True,
                    quiet=True,
                    settings=Settings(),
                )
            return folder

        return _made_once(self.shared / name, render)

    def project(self, tag: str, answers: Answers, folder: Path) -> Path:
        """A project in a git repository of its own, with one commit."""
        shutil.copytree(self.rendered(tag, answers), folder, symlinks=True)
        commit_all(folder, "As rendered")
        return folder

    def migrate(self, tag: str, project: Path) -> None:
        """Run the migrations of a version on a folder, as the CLI does."""
        listed = git(self.repository, "ls-tree", "--name-only", tag, "hooks/migrations/")
        for path in listed.splitlines():
            code = git(self.repository, "show", f"{tag}:{path}")
            subprocess.run(
                [sys.executable, "-I", "-c", code, str(project)],
                input="{}",
                text=True,
                check=True,
            )

    def after(self, tag: str, project: Path, changed: Answers) -> Tree:
        """A fresh copy of a version with the answers of a project, but for those that change."""
        return read_tree(self.rendered(tag, recorded_answers(project) | changed))


def recorded_answers(project: Path) -> dict[str, Any]:
    """The answers file without what Copier and the template note beside the answers."""
    recorded = yaml.safe_load((project / ANSWERS_FILE).read_text(encoding="utf-8"))
    return {name: value for name, value in recorded.items() if not name.startswith("_")}


def read_tree(folder: Path) -> Tree:
    """Every file of a project but git's own."""
    return {
        path.relative_to(folder).as_posix(): File(
            path.read_bytes(), bool(path.stat().st_mode & 0o100)
        )
        for path in folder.rglob("*")
        if not path.is_dir() and path.relative_to(folder).parts[0] != ".git"
    }


def read_commit(project: Path, commit: str) -> Tree:
    """Every file of a commit, whatever the work tree holds."""
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "commit.tar")
        git(project, "archive", "--format=tar", f"--output={archive}", commit)
        with tarfile.open(archive) as tar:
            files = {member.name: (member, tar.extractfile(member)) for member in tar}
            return {
                name: File(content.read(), bool(member.mode & 0o100))
                for name, (member, content) in files.items()
                if content is not None
            }


def _made_once(place: Path, make: Callable[[Path], Path]) -> Path:
    if not place.exists():
        aside = Path(tempfile.mkdtemp(dir=place.parent))
        made = make(aside / place.name)
        try:
            made.rename(place)
        except OSError:  # another process was first
            shutil.rmtree(aside)
    return place
