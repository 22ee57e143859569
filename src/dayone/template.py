"""Where the template comes from: the checkout dayone was installed from, a folder, or a URL."""

import importlib.metadata
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

from dayone import __version__
from dayone.errors import DayoneError, UsageError
from dayone.project import git, run_git
from dayone.source import Source, open_source, release_at, without_credentials

SNAPSHOT_REF = "refs/dayone/snap"


@dataclass(frozen=True)
class Template:
    """One commit of a template, in a git repository on this machine."""

    repository: Path
    commit: str
    recorded: str
    warnings: tuple[str, ...] = ()

    @cached_property
    def release(self) -> str | None:
        """The newest release that this commit is."""
        return release_at(self.repository, self.commit)

    def read(self, path: str) -> str | None:
        """A file of the template, or nothing when this commit has none at that path."""
        result = run_git("show", f"{self.commit}:{path}", cwd=self.repository)
        return result.stdout if result.returncode == 0 else None

    @cached_property
    def config(self) -> dict[str, Any]:
        """copier.yml."""
        text = self.read("copier.yml")
        if text is None:
            raise DayoneError(f"{self.recorded} is not a template: it has no copier.yml.")
        try:
            config = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise DayoneError(
                f"{self.recorded} has a copier.yml that is not YAML: {error}"
            ) from error
        if not isinstance(config, dict):
            raise DayoneError(f"{self.recorded} has a copier.yml without questions.")
        return config

    def questions(self) -> dict[str, dict[str, Any]]:
        """The questions that people are asked, by name."""
        return {
            name: question
            for name, question in self.config.items()
            if not name.startswith("_")
            and question.get("when") is not False
            and question.get("ask") is not False
        }

    def derived(self) -> set[str]:
        """The names of the values that are computed from answers."""
        return {
            name
            for name, question in self.config.items()
            if not name.startswith("_") and question.get("when") is False
        }


@contextmanager
def open_template(given: str | None, ref: str | None, *, dev: bool) -> Iterator[Template]:
    """The template at one commit; what had to be fetched is gone afterwards."""
    name, pinned = (given, None) if given else _installed_source()
    with open_source(name) as source:
        if source.checkout:
            yield _from_checkout(source, ref, dev=dev)
        elif dev:
            raise UsageError(f"--dev takes the uncommitted state of a checkout; {name} is not one.")
        else:
            wanted = ref or pinned or source.latest_tag() or "HEAD"
            yield Template(source.repository, source.resolve(wanted), source.name)


def _installed_source() -> tuple[str, str | None]:
    """The checkout or the repository that dayone was installed from, else its release."""
    distribution = importlib.metadata.distribution("dayone")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "dir_info" in origin:
        checkout = Path(unquote(urlsplit(origin["url"]).path))
        if not checkout.is_dir():
            raise DayoneError(
                f"dayone was installed from {checkout}, which is gone, and its template with it. "
                "Install dayone again, or name a template with --template."
            )
        return str(checkout), None
    if "vcs_info" in origin:
        return origin["url"], origin["vcs_info"]["commit_id"]
    urls = dict(
        entry.split(", ", 1) for entry in distribution.metadata.get_all("Project-URL") or []
    )
    return urls["Repository"], f"v{__version__}"


def _from_checkout(source: Source, ref: str | None, *, dev: bool) -> Template:
    checkout = source.repository
    if dev and ref:
        raise UsageError("--dev takes the checkout as it is; leave out --vcs-ref, or --dev.")
    if dev:
        commit = snapshot(checkout)
    else:
        commit = source.resolve(ref or "HEAD")
        if ref in {None, "HEAD"} and git("status", "--porcelain", cwd=checkout):
            raise DayoneError(
                f"The template {checkout} has changes that are not committed, so a project made "
                "from it could not be updated. Commit them, or take them as they are with --dev."
            )
    origin = _published_at(checkout, commit)
    if origin:
        return Template(checkout, commit, origin)
    warning = (
        f"The project remembers its template as {checkout}, because this commit is not on an "
        "https remote: it can be updated on this machine only."
    )
    return Template(checkout, commit, str(checkout), (warning,))


def snapshot(checkout: Path) -> str:
    """Commit the checkout as it is, untracked files too, without touching its index or branch."""
    with tempfile.TemporaryDirectory(prefix="dayone-index-") as folder:
        index = {"GIT_INDEX_FILE": os.fspath(Path(folder, "index"))}
        head = run_git("rev-parse", "--verify", "--quiet", "HEAD", cwd=checkout).stdout.strip()
        if head:
            git("read-tree", head, cwd=checkout, env=index)
        git("add", "--all", cwd=checkout, env=index)
        tree = git("write-tree", cwd=checkout, env=index)
    who = {
        f"GIT_{role}_{field}": value
        for role in ("AUTHOR", "COMMITTER")
        for field, value in (("NAME", "dayone"), ("EMAIL", "dayone@localhost"))
    }
    parent = ["-p", head] if head else []
    commit = git("commit-tree", *parent, "-m", "Snapshot", tree, cwd=checkout, env=who)
    git("update-ref", SNAPSHOT_REF, commit, cwd=checkout)
    return commit


def _published_at(checkout: Path, commit: str) -> str | None:
    """Origin's https URL, when origin has this commit."""
    url = run_git("remote", "get-url", "origin", cwd=checkout).stdout.strip()
    if not url.startswith("https://"):
        return None
    on_origin = git(
        "for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes/origin", cwd=checkout
    )
    return without_credentials(url) if on_origin else None
