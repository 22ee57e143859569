"""Where the template comes from: the checkout dayone was installed from, a folder, or a URL."""

import importlib.metadata
import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import url2pathname

import yaml

from dayone import __version__
from dayone.errors import DayoneError, UsageError
from dayone.project import git, last_line, run_git, work_tree

SNAPSHOT_REF = "refs/dayone/snap"
_SHORTHANDS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}


@dataclass(frozen=True)
class Template:
    """One commit of a template, in a git repository on this machine."""

    repository: Path
    commit: str
    recorded: str
    warnings: tuple[str, ...] = ()

    def read(self, path: str) -> str | None:
        """A file of the template, or nothing when this commit has none at that path."""
        result = run_git("show", f"{self.commit}:{path}", cwd=self.repository)
        return result.stdout if result.returncode == 0 else None

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
            for name, question in self.config().items()
            if not name.startswith("_") and question.get("when") is not False
        }

    def derived(self) -> set[str]:
        """The names of the values that are computed from answers."""
        return {
            name
            for name, question in self.config().items()
            if not name.startswith("_") and question.get("when") is False
        }


@contextmanager
def open_template(given: str | None, ref: str | None, *, dev: bool) -> Iterator[Template]:
    """The template at one commit; what had to be fetched is gone afterwards."""
    source, pinned = (given, None) if given else _installed_source()
    path = Path(source).expanduser()
    if path.is_dir() and _is_checkout(path):
        yield _from_checkout(path.resolve(), ref, dev=dev)
        return
    if dev:
        raise UsageError(f"--dev takes the uncommitted state of a checkout; {source} is not one.")
    with tempfile.TemporaryDirectory(prefix="dayone-template-") as folder:
        yield _from_repository(source, ref or pinned, Path(folder))


def _installed_source() -> tuple[str, str | None]:
    """The checkout or the repository that dayone was installed from, else its release."""
    distribution = importlib.metadata.distribution("dayone")
    origin = json.loads(distribution.read_text("direct_url.json") or "{}")
    if "dir_info" in origin:
        checkout = Path(url2pathname(urlsplit(origin["url"]).path))
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


def _is_checkout(path: Path) -> bool:
    """Whether a folder is the top of a work tree; if not, it must be a bare repository."""
    if work_tree(path) == path.resolve():
        return True
    if run_git("rev-parse", "--is-bare-repository", cwd=path).stdout.strip() == "true":
        return False
    raise DayoneError(
        f"The template {path} is not a git repository, so a project could not be updated from it. "
        "Clone the template with git, or name another with --template."
    )


def _from_checkout(checkout: Path, ref: str | None, *, dev: bool) -> Template:
    if dev and ref:
        raise UsageError("--dev takes the checkout as it is; leave out --vcs-ref, or --dev.")
    if dev:
        commit = snapshot(checkout)
    else:
        commit = _resolve(checkout, ref or "HEAD", str(checkout))
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


def _from_repository(source: str, ref: str | None, folder: Path) -> Template:
    url = _without_credentials(_expand(source))
    if not re.match(r"[\w+]+://|[\w.-]+@[\w.-]+:", url) and not Path(url).exists():
        raise DayoneError(f"There is no template at {source}: no such folder, and not a URL.")
    clone = folder / "template.git"
    result = run_git("clone", "--quiet", "--bare", "--", _expand(source), str(clone), cwd=folder)
    if result.returncode:
        raise DayoneError(f"The template {url} cannot be read: {last_line(result.stderr)}")
    return Template(clone, _resolve(clone, ref or _latest_tag(clone) or "HEAD", url), url)


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


def _resolve(repository: Path, ref: str, name: str) -> str:
    """The full hash of a tag, branch or commit."""
    for candidate in (ref, f"refs/remotes/origin/{ref}"):
        result = run_git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}",
            cwd=repository,
        )  # fmt: skip
        if result.returncode == 0:
            return result.stdout.strip()
    if ref == "HEAD":
        raise DayoneError(f"The template {name} has no commit yet.")
    latest = _latest_tag(repository)
    hint = f" Its latest tag is {latest}." if latest else " It has no tags."
    raise DayoneError(f"The template {name} has no tag, branch or commit {ref!r}.{hint}")


def _latest_tag(repository: Path) -> str | None:
    """The newest release, as Copier picks it: the highest version that is not a pre-release."""
    tags = git("tag", "--list", cwd=repository).splitlines()
    releases = [tag for tag in tags if re.fullmatch(r"v?\d+(\.\d+)*", tag)]
    return max(
        releases,
        key=lambda tag: [int(part) for part in tag.removeprefix("v").split(".")],
        default=None,
    )


def _published_at(checkout: Path, commit: str) -> str | None:
    """Origin's https URL, when origin has this commit."""
    url = run_git("remote", "get-url", "origin", cwd=checkout).stdout.strip()
    if not url.startswith("https://"):
        return None
    on_origin = git(
        "for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes/origin", cwd=checkout
    )
    return _without_credentials(url) if on_origin else None


def _expand(source: str) -> str:
    """A URL that other tools can read as well: no shorthand, no prefix, an absolute path."""
    for shorthand, start in _SHORTHANDS.items():
        if source.startswith(shorthand):
            return start + source.removeprefix(shorthand).lstrip("/")
    source = source.removeprefix("git+")
    path = Path(source).expanduser()
    return str(path.resolve()) if path.exists() else source


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    if not parts.scheme.startswith("http"):
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
