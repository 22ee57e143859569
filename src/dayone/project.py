"""Plain helpers around a project's folder: git, its answers, the environment of what runs in it."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from dayone.errors import DayoneError

ANSWERS_FILE = ".copier-answers.yml"
_PUT_BACK = f"Put it back as it was, with git checkout -- {ANSWERS_FILE} or from an older commit."
_OLDEST_GIT = (2, 38)

_GIT_ALWAYS = {"GIT_LITERAL_PATHSPECS": "1", "GIT_TERMINAL_PROMPT": "0"}

# Set while git runs a hook or an alias, and then they name that repository instead of ours.
_GIT_LOCATION = (
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_WORK_TREE",
)

# Say where somebody else's packages are: uv would install the project's into them.
_OTHER_PYTHON = (
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONHOME",
    "PYTHONPATH",
    "UV_PROJECT_ENVIRONMENT",
    "VIRTUAL_ENV",
)


@dataclass(frozen=True)
class Project:
    """A repository that was made from a template, or a folder in one."""

    folder: Path
    top: Path
    answers: dict[str, Any]
    source: str
    version: str
    commit: str | None
    head: str

    @property
    def prefix(self) -> str:
        """Where the project lies in its repository: empty, or a path that ends in a slash."""
        relative = self.folder.relative_to(self.top).as_posix()
        return "" if relative == "." else f"{relative}/"


def open_project(path: Path) -> Project:
    """The project at a folder; from the current folder, also one that it lies in."""
    require_git(_OLDEST_GIT)
    if not path.is_dir():
        raise DayoneError(f"{path} is not a folder, so it is no project.")
    top = work_tree(path)
    folder = _project_folder(path.resolve(), top)
    answers = read_answers(folder)
    if top is None:
        raise DayoneError(
            f"{folder} is not in a git repository, so nothing can be compared or undone. "
            'Run there: git init && git add -A && git commit -m "Start"'
        )
    head = run_git("rev-parse", "--verify", "--quiet", "HEAD", cwd=folder).stdout.strip()
    if not head:
        raise DayoneError(
            f"{top} has no commit yet. Commit the project first: git commit -am Start"
        )
    for key in ("_src_path", "_commit"):
        if not isinstance(answers.get(key), str) or not answers[key]:
            raise DayoneError(
                f"{folder / ANSWERS_FILE} was edited by hand: it has no {key}. {_PUT_BACK}"
            )
    commit = answers.get("_commit_sha")
    return Project(
        folder=folder,
        top=top.resolve(),
        answers={name: value for name, value in answers.items() if not name.startswith("_")},
        source=answers["_src_path"],
        version=answers["_commit"],
        commit=commit if isinstance(commit, str) else None,
        head=head,
    )


def _project_folder(path: Path, top: Path | None) -> Path:
    inside = [folder for folder in path.parents if top and folder.is_relative_to(top.resolve())]
    for folder in (path, *inside):
        if (folder / ANSWERS_FILE).is_file():
            return folder
    raise DayoneError(
        f"{path} is not a project: there is no {ANSWERS_FILE}. "
        "Go to a folder that dayone new or copier copy made, or name it."
    )


def forget_git_location() -> None:
    """Let git find each repository by its folder, in this process and in all it starts."""
    for name in _GIT_LOCATION:
        os.environ.pop(name, None)


def require_git(oldest: tuple[int, int] = (0, 0)) -> None:
    if shutil.which("git") is None:
        raise DayoneError("git was not found on the PATH. Install git, then try again.")
    if oldest > (0, 0):
        found = re.search(r"(\d+)\.(\d+)", git("version", cwd=Path.cwd()))
        if found and (int(found[1]), int(found[2])) < oldest:
            raise DayoneError(
                f"git {found[0]} is too old: merging needs {oldest[0]}.{oldest[1]} or newer."
            )


def run_git(
    *arguments: str, cwd: Path, env: dict[str, str] | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder without asking for anything, and leave its exit code to the caller.

    Names of files may hold any byte but NUL: nothing is translated on the way.
    """
    result = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={**_GIT_ALWAYS, **os.environ, **(env or {})},
        capture_output=True,
        input=given.encode("utf-8", "surrogateescape"),
        check=False,
    )
    out, err = (part.decode("utf-8", "surrogateescape") for part in (result.stdout, result.stderr))
    return subprocess.CompletedProcess(result.args, result.returncode, out, err)


def git(*arguments: str, cwd: Path, env: dict[str, str] | None = None, given: str = "") -> str:
    """What git prints, without the line's end; git's own last word is the error."""
    result = run_git(*arguments, cwd=cwd, env=env, given=given)
    if result.returncode:
        raise DayoneError(f"git {_command(arguments)} failed in {cwd}: {git_says(result.stderr)}")
    return result.stdout.removesuffix("\n")


def _command(arguments: tuple[str, ...]) -> str:
    """What git was to do, behind options and settings of git itself."""
    named = zip(("", *arguments), arguments, strict=False)
    return next(word for before, word in named if before != "-c" and not word.startswith("-"))


def git_says(stderr: str) -> str:
    """git's reasons, in one line."""
    lines = [line.strip() for line in stderr.splitlines()]
    return "; ".join(line for line in lines if line.startswith(("fatal:", "error:"))) or last_line(
        stderr
    )


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def work_tree(folder: Path) -> Path | None:
    """The top of the git work tree that a folder lies in."""
    result = run_git("rev-parse", "--show-toplevel", cwd=folder)
    if "dubious ownership" in result.stderr:
        raise DayoneError(
            f"git does not trust {folder}, because it belongs to somebody else. If you do: "
            f"git config --global --add safe.directory {folder.resolve()}"
        )
    top = result.stdout.removesuffix("\n")
    return Path(top) if result.returncode == 0 and top else None


def read_answers(project: Path) -> dict[str, Any]:
    """Everything in the answers file, with Copier's own `_commit` and `_src_path`."""
    path = project / ANSWERS_FILE
    try:
        answers = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DayoneError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise DayoneError(
            f"{path} was edited by hand and is not YAML any more. {_PUT_BACK}"
        ) from error
    if not isinstance(answers, dict):
        raise DayoneError(f"{path} was edited by hand and holds no answers. {_PUT_BACK}")
    return answers


def record(project: Path, key: str, value: str) -> None:
    """Make the answers file say another thing than what Copier put there for itself."""
    path = project / ANSWERS_FILE
    line = yaml.safe_dump({key: value}, allow_unicode=True, width=10_000)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(rf"^{key}:.*\n(?:[ \t].*\n)*", lambda _: line, text, flags=re.MULTILINE),
        encoding="utf-8",
    )


def files_below(folder: Path) -> list[str]:
    """Every file, as a sorted relative path with forward slashes."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()
    )


def environment() -> dict[str, str]:
    """The environment for what runs in a project: its own packages, our Python if it fits."""
    result = {name: value for name, value in os.environ.items() if name not in _OTHER_PYTHON}
    if (3, 11) <= sys.version_info < (3, 14):
        result.setdefault("UV_PYTHON", sys.executable)
    return result


def find_uv() -> str:
    """The uv that was installed beside dayone, so that Python and git are all a machine needs."""
    from uv import find_uv_bin

    try:
        return os.fspath(find_uv_bin())
    except FileNotFoundError as error:
        raise DayoneError(
            "uv was installed without its program. Run: pip install --force-reinstall uv"
        ) from error


def typed_uv() -> str:
    """How a person calls uv: by name where it is on the PATH, else where dayone has it."""
    return "uv" if shutil.which("uv") else shlex.quote(find_uv())
