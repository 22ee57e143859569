"""A released path is neither renamed nor removed within a major version.

`copier update` drops a person's edits of a file that the template renames or removes, and says
nothing. So that nobody has to fear an update, the paths that a release can emit stay until the next
major version.
"""

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from packaging.version import InvalidVersion, Version


class Release(NamedTuple):
    """What one version of the template can emit, as the paths are written in `template/`."""

    version: Version
    name: str
    paths: frozenset[str]


def releases(repository: Path) -> list[Release]:
    """The tags that Copier takes for releases, oldest first: versions, but no pre-releases."""
    found = []
    for tag in git(repository, "tag", "--list"):
        version = parse(tag)
        if version and not version.is_prerelease:
            listed = git(repository, "ls-tree", "-r", "-z", "--name-only", tag, "template/")
            found.append(Release(version, tag, emitted(listed)))
    return sorted(found)


def work_tree(repository: Path, version: Version) -> Release:
    """The files as they are now, committed or not, as this version."""
    listed = git(
        repository, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "template/"
    )
    there = [path for path in listed if (repository / path).exists()]
    return Release(version, "the work tree", emitted(there))


def lost_paths(versions: list[Release]) -> list[str]:
    """One line for each path that a version lacks and the one before it in its major has."""
    return [
        f"{path} is in {old.name} and missing in {new.name}: it may go at a new major version."
        for old, new in pairwise(versions)
        if old.version.major == new.version.major
        for path in sorted(old.paths - new.paths)
    ]


def emitted(paths: list[str]) -> frozenset[str]:
    return frozenset(path.removeprefix("template/").removesuffix(".jinja") for path in paths)


def parse(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def git(repository: Path, *arguments: str) -> list[str]:
    """The lines that git prints, or with -z the names."""
    result = subprocess.run(
        ["git", *arguments], cwd=repository, capture_output=True, encoding="utf-8", check=True
    )
    return [line for line in result.stdout.split("\0" if "-z" in arguments else "\n") if line]
