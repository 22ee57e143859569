"""A template's repository with all its versions: a folder on this machine, or a clone of a URL."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from dayone.errors import DayoneError
from dayone.project import git, git_says, run_git, work_tree

_SHORTHANDS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/"}
_RELEASE = r"v?\d+(\.\d+)*"


@dataclass(frozen=True)
class Source:
    """A git repository on this machine, and the name under which a project remembers it."""

    repository: Path
    name: str
    checkout: bool

    def find(self, ref: str) -> str | None:
        """The full hash of a tag, branch or commit."""
        for candidate in (ref, f"refs/remotes/origin/{ref}"):
            result = run_git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{candidate}^{{commit}}",
                cwd=self.repository,
            )  # fmt: skip
            if result.returncode == 0:
                return result.stdout.strip()
        return None

    def resolve(self, ref: str) -> str:
        """The full hash of a tag, branch or commit that must be there."""
        commit = self.find(ref)
        if commit:
            return commit
        if ref == "HEAD":
            raise DayoneError(f"The template {self.name} has no commit yet.")
        latest = self.latest_tag()
        hint = f" Its latest tag is {latest}." if latest else " It has no tags."
        raise DayoneError(f"The template {self.name} has no tag, branch or commit {ref!r}.{hint}")

    def latest_tag(self) -> str | None:
        """The newest release, as Copier picks it."""
        return latest_release(git("tag", "--list", cwd=self.repository).splitlines())

    def describe(self, commit: str) -> str:
        """A commit's newest release; else as Copier records it: a tag near it, the short hash."""
        return release_at(self.repository, commit) or git(
            "describe", "--tags", "--always", commit, cwd=self.repository
        )

    def contains(self, newer: str, older: str) -> bool:
        """Whether one commit is in the history of another, or the same."""
        ancestor = ("merge-base", "--is-ancestor", older, newer)
        return run_git(*ancestor, cwd=self.repository).returncode == 0


@contextmanager
def open_source(source: str) -> Iterator[Source]:
    """The repository behind a path or URL; what had to be fetched is gone afterwards."""
    path = Path(source).expanduser()
    if path.is_dir():
        path = path.resolve()
        yield Source(path, str(path), is_checkout(path))
        return
    url = without_credentials(expand(source))
    if not is_url(url) and not Path(url).exists():
        raise DayoneError(f"There is no template at {source}: no such folder, and not a URL.")
    with tempfile.TemporaryDirectory(prefix="dayone-template-") as folder:
        clone = Path(folder, "template.git")
        fetched = expand(source)
        result = run_git("clone", "--quiet", "--bare", "--", fetched, str(clone), cwd=Path(folder))
        if result.returncode:
            raise DayoneError(
                f"The template {url} cannot be read: {git_says(result.stderr)}. "
                "If it has moved, name the new place with --template."
            )
        yield Source(clone, url, checkout=False)


def release_at(repository: Path, commit: str) -> str | None:
    """The newest release among the tags of a commit."""
    return latest_release(git("tag", "--points-at", commit, cwd=repository).splitlines())


def latest_release(tags: list[str]) -> str | None:
    """The highest version among tags that is not a pre-release."""
    releases = [tag for tag in tags if re.fullmatch(_RELEASE, tag)]
    return max(releases, key=release_numbers, default=None)


def release_numbers(tag: str) -> list[int]:
    """`v1.10.0` as [1, 10, 0]; nothing for a tag that is not a release."""
    if not re.fullmatch(_RELEASE, tag):
        return []
    return [int(part) for part in tag.removeprefix("v").split(".")]


def is_checkout(path: Path) -> bool:
    """Whether a folder is the top of a work tree; if not, it must be a bare repository."""
    if work_tree(path) == path.resolve():
        return True
    if run_git("rev-parse", "--is-bare-repository", cwd=path).stdout.strip() == "true":
        return False
    raise DayoneError(
        f"The template {path} is not a git repository, so a project could not be updated from it. "
        "Clone the template with git, or name another with --template."
    )


def is_url(source: str) -> bool:
    return re.match(r"[\w+]+://|[\w.-]+@[\w.-]+:", source) is not None


def expand(source: str) -> str:
    """A URL that other tools can read as well: no shorthand, no prefix, an absolute path."""
    for shorthand, start in _SHORTHANDS.items():
        if source.startswith(shorthand):
            return start + source.removeprefix(shorthand).lstrip("/")
    source = source.removeprefix("git+")
    path = Path(source).expanduser()
    return str(path.resolve()) if path.exists() else source


def without_credentials(url: str) -> str:
    parts = urlsplit(url)
    if not parts.scheme.startswith("http"):
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
