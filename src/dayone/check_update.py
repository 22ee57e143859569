"""`dayone check-update`: whether the template has a newer release; reads a list of tags."""

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from dayone.errors import FINDINGS, DayoneError
from dayone.opening import open_mended
from dayone.project import Project, run_git
from dayone.screen import Screen
from dayone.source import expand, latest_release, release_numbers, without_credentials
from dayone.versions import (
    choose_target,
    is_remote,
    open_source_of,
    recorded_commit,
    refuse_moved,
    unknown_version,
)

_DESCRIBED = re.compile(r"(?:(?P<tag>.+)-\d+-g)?(?P<commit>[0-9a-f]{4,40})")
_TAG = "refs/tags/"


@dataclass(frozen=True)
class Check:
    """`newest` is where an update would go; the current version when there is nothing newer."""

    project: str
    template: str
    current: str
    newest: str
    newer: bool

    @property
    def exit_code(self) -> int:
        return FINDINGS if self.newer else 0


@dataclass(frozen=True)
class Listed:
    """What a repository far away says of itself: its tags' commits, and its newest commit."""

    name: str
    tags: dict[str, str]
    head: str | None


def check_update(path: Path, screen: Screen) -> Check:
    project = open_mended(path, screen)
    newer = newer_listed(project, read_list(project)) if is_remote(project) else newer_here(project)
    return Check(
        project=str(project.folder),
        template=without_credentials(project.source),
        current=project.version,
        newest=newer or project.version,
        newer=newer is not None,
    )


def newer_here(project: Project) -> str | None:
    """The version that an update would go to, from a repository on this machine."""
    with open_source_of(project, None) as source:
        now = recorded_commit(project, source)
        target = choose_target(project, source, None, now)
        return source.describe(target) if target != now else None


def read_list(project: Project) -> Listed:
    url = expand(project.source)
    name = without_credentials(url)
    result = run_git("ls-remote", "--", url, "HEAD", f"{_TAG}*", cwd=project.folder)
    if result.returncode:
        reason = result.stderr.strip().partition("\n")[0]
        raise DayoneError(
            f"The template {name} cannot be reached: {reason}. "
            "If it has moved: dayone update --template URL"
        )
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    refs = {ref: commit for commit, ref in lines}
    tags = {ref.removeprefix(_TAG): commit for ref, commit in refs.items() if ref.startswith(_TAG)}
    return Listed(
        name=name,
        # of an annotated tag, git lists in a second line the commit that it stands for
        tags={tag: tags.get(f"{tag}^{{}}", tags[tag]) for tag in tags},
        head=refs.get("HEAD"),
    )


def newer_listed(project: Project, listed: Listed) -> str | None:
    """The version that an update would go to, as far as names and hashes tell without history."""
    commit = listed.tags.get(project.version)
    described = _DESCRIBED.fullmatch(project.version)
    if commit:
        refuse_moved(project, listed.name, commit)
        tag, now = project.version, commit
    elif described:
        tag, now = described["tag"] or "", project.commit or described["commit"]
    else:
        raise unknown_version(project, listed.name)
    newest = latest_release(list(listed.tags))
    target = listed.tags[newest] if newest else listed.head
    if target is None:
        raise unknown_version(project, listed.name)
    if target.startswith(now) or (newest and not _comes_before(tag, newest)):
        return None
    return newest or target[:12]


def _comes_before(tag: str, release: str) -> bool:
    """Whether a tag is older than a release; a tag that names no version may be."""
    match = re.match(r"v?\d+(?:\.\d+)*", tag)
    if match is None:
        return True
    had, goal = release_numbers(match[0]), release_numbers(release)
    return had < goal or (had == goal and match[0] != tag)  # 2.0.0rc1 is older than 2.0.0


def as_json(check: Check) -> str:
    return json.dumps({**vars(check)}, ensure_ascii=False, indent=2)


def show(check: Check, path: Path, screen: Screen) -> None:
    if check.newer:
        where = "" if path == Path() else f" {shlex.quote(str(path))}"
        text = f"{check.newest} is newer than {check.current}. Next: dayone plan{where}"
    else:
        text = f"{check.current} is the newest version."
    screen.out.print(text, markup=False)
