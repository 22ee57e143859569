"""From which version of its template a project comes, and to which it goes."""

from contextlib import AbstractContextManager
from pathlib import Path

from dayone.errors import DayoneError, UsageError
from dayone.project import Project, git
from dayone.source import Source, expand, is_url, open_source, release_numbers

CURRENT = ":current:"  # Copier's word for the version that a project has


def open_source_of(project: Project, other: str | None) -> AbstractContextManager[Source]:
    """The repository that a project remembers, or the one it has moved to."""
    if other or is_remote(project) or Path(project.source).is_dir():
        return open_source(other or project.source)
    if not Path(project.source).is_absolute():
        raise DayoneError(
            f"The template of this project is recorded as {project.source}, which depends on the "
            "folder that you are in. Where is it? dayone update --template PATH"
        )
    raise DayoneError(
        f"The template of this project was at {project.source}, and is not there any more. "
        "Where is it now? dayone update --template URL"
    )


def is_remote(project: Project) -> bool:
    """Whether the template is behind a URL, or a shorthand of one."""
    return is_url(expand(project.source))


def recorded_commit(project: Project, source: Source) -> str:
    """The commit that the project was rendered from."""
    commit = source.find(project.version)
    if commit is None:
        shallow = git("rev-parse", "--is-shallow-repository", cwd=source.repository) == "true"
        complete = f"Complete that shallow clone: git -C {source.name} fetch --unshallow --tags"
        raise unknown_version(project, source.name, complete if shallow else "")
    if project.commit and not release_numbers(project.version) and source.find(project.commit):
        return project.commit  # a name like `stable` may move
    refuse_moved(project, source.name, commit)
    return commit


def unknown_version(project: Project, source: str, way_out: str = "") -> DayoneError:
    return DayoneError(
        f"The project has version {project.version}, which is not in {source}. "
        + (way_out or "Is it another template, or was a tag deleted? See dayone update --template.")
    )


def refuse_moved(project: Project, source: str, commit: str) -> None:
    """A version is the commit that the project was made from."""
    if project.commit and commit != project.commit:
        raise DayoneError(
            f"The tag {project.version} of {source} was moved: this project was made from "
            f"{project.commit[:12]}, the tag is at {commit[:12]} now. What has changed in between "
            "cannot be told from your edits; ask the template's owners to put the tag back and to "
            "release under a new one."
        )


def choose_target(project: Project, source: Source, ref: str | None, now: str) -> str:
    """The commit to go to: what was asked for, the newest release, or the newest commit."""
    if ref == "":
        raise UsageError("--vcs-ref is empty. Name a tag, a branch or a commit, or leave it out.")
    if ref == CURRENT:
        return now
    if ref:
        commit = source.resolve(ref)
        if commit != now and _is_older(source, ref, commit, project.version, now):
            raise DayoneError(
                f"{ref} is older than {project.version}, which the project has. To undo an update, "
                "revert its commit with git."
            )
        return commit
    newest = source.latest_tag()
    commit = source.resolve(newest or "HEAD")
    if newest and source.checkout and now != commit and source.contains(now, commit):
        commit = source.resolve("HEAD")  # a project made from a checkout may be past its tags
    return now if source.contains(now, commit) else commit


def _is_older(source: Source, ref: str, commit: str, version: str, now: str) -> bool:
    if source.contains(now, commit):
        return True
    numbers, had = release_numbers(ref), release_numbers(version)
    return bool(numbers and had and numbers < had)
