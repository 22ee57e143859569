"""Plain helpers around a project's folder: git, its answers, the environment of what runs in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from dayone.errors import DayoneError

ANSWERS_FILE = ".copier-answers.yml"

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


def forget_git_location() -> None:
    """Let git find each repository by its folder, in this process and in all it starts."""
    for name in _GIT_LOCATION:
        os.environ.pop(name, None)


def require_git() -> None:
    if shutil.which("git") is None:
        raise DayoneError("git was not found on the PATH. Install git, then try again.")


def run_git(
    *arguments: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run git in a folder without asking for anything, and leave its exit code to the caller."""
    return subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        env={"GIT_TERMINAL_PROMPT": "0", **os.environ, **(env or {})},
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        stdin=subprocess.DEVNULL,
        check=False,
    )


def git(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    """What git prints, without the line's end; git's own last word is the error."""
    result = run_git(*arguments, cwd=cwd, env=env)
    if result.returncode:
        raise DayoneError(f"git {arguments[0]} failed in {cwd}: {last_line(result.stderr)}")
    return result.stdout.strip()


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "no reason given"


def work_tree(folder: Path) -> Path | None:
    """The top of the git work tree that a folder lies in."""
    result = run_git("rev-parse", "--show-toplevel", cwd=folder)
    top = result.stdout.strip()
    return Path(top) if result.returncode == 0 and top else None


def read_answers(project: Path) -> dict[str, Any]:
    """Everything in the answers file, with Copier's own `_commit` and `_src_path`."""
    answers: dict[str, Any] = yaml.safe_load((project / ANSWERS_FILE).read_text(encoding="utf-8"))
    return answers


def record_source(project: Path, source: str) -> None:
    """Make the answers file remember this source instead of the folder that was rendered from."""
    path = project / ANSWERS_FILE
    line = yaml.safe_dump({"_src_path": source}, allow_unicode=True, width=10_000)
    text = path.read_text(encoding="utf-8")
    path.write_text(
        re.sub(r"^_src_path:.*\n(?:[ \t].*\n)*", lambda _: line, text, flags=re.MULTILINE),
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
