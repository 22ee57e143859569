"""A small template with releases, and a project of the first one."""

from pathlib import Path
from typing import NamedTuple

from support.cli import Result, dayone
from support.git import commit_all, git
from support.tiny import tiny_template

ANSWERS = ".copier-answers.yml"


class World(NamedTuple):
    template: Path
    project: Path

    def update(self, *arguments: str | Path, **env: str) -> Result:
        return dayone("update", self.project, "--defaults", "--no-hooks", *arguments, **env)

    def plan(self, *arguments: str | Path, **env: str) -> Result:
        return dayone("plan", self.project, *arguments, **env)

    def release(self, tag: str, files: dict[str, str], *gone: str) -> None:
        """Tag a version with other files in the template."""
        write(self.template, {f"template/{name}": text for name, text in files.items()})
        for name in gone:
            (self.template / "template" / name).unlink()
        git(self.template, "add", "--all")
        git(self.template, "commit", "--quiet", "--allow-empty", "--message", tag)
        git(self.template, "tag", tag)

    def edit(self, files: dict[str, str]) -> None:
        """Commit an edit of the project's people."""
        write(self.project, files)
        commit_all(self.project, "Edit")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def state(project: Path) -> dict[str, object]:
    """All that a person can see of a project: files, modes, index, branches, worktrees."""
    files = {
        str(path.relative_to(project)): (path.lstat().st_mode, path.read_bytes())
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }
    seen = {
        command: git(project, *command.split())
        for command in ("status --porcelain", "show-ref", "ls-files --stage", "worktree list")
    }
    return {"files": files, "head": (project / ".git/HEAD").read_bytes(), **seen}


def new_world(folder: Path, files: dict[str, str] | None = None, **answers: str) -> World:
    """A template with the release v1.0.0, and a committed project of it."""
    given = [part for name, value in answers.items() for part in ("-d", f"{name}={value}")]
    template = tiny_template(folder / "template", files)
    git(template, "tag", "v1.0.0")
    made = dayone(
        *("new", folder / "my-poc", "--template", template, "-r", "v1.0.0"),
        *("--defaults", "--no-hooks", *given),
    )
    assert made.code == 0, made.err
    world = World(template, folder / "my-poc")
    commit_all(world.project, "Start")
    return world
