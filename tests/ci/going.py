"""An emitted project on its forge: pushed, checked by its own pipelines, and with seeded defects.

    project = pushed("gitlab", tmp_path / "my-poc")            # as emitted, committed and locked
    project = pushed("gitlab", tmp_path / "my-poc", quick=True)  # what takes long is cut
    seed(project, "failing test")                              # a commit on the branch `change`
    subprocess.run([...], cwd=project, env=runner(tmp_path))

A project has a bare repository beside it, `origin`, to which `main` is pushed. Equal ones are made
once per process and copied after that.
"""

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from project.conftest import environment, generate
from support import ROOT
from support.git import commit_all, git

Forge = Literal["github", "gitlab", "azure_devops"]
Level = Literal["executed", "validated"]
FORGES: tuple[Forge, ...] = ("github", "gitlab", "azure_devops")
# Where the pipelines of a forge are.
PIPELINES = {
    "github": (".github",),
    "gitlab": (".gitlab-ci.yml", ".gitlab"),
    "azure_devops": (".azuredevops",),
}
RECORD = ROOT / "docs/explanation/ci-proved.json"
NAME = "my-poc"

_made = tempfile.TemporaryDirectory(prefix="dayone-ci-")


# Projects -------------------------------------------------------------------------------------


def pushed(forge: Forge, folder: Path, *answers: str, quick: bool = False) -> Path:
    """A project of this forge, and beside it `<folder>.git`, to which it is pushed."""
    shutil.copytree(_pushed(forge, answers, quick), folder, symlinks=True)
    origin = folder.with_suffix(".git")
    git(folder, "clone", "--quiet", "--bare", str(folder), str(origin))
    git(folder, "remote", "add", "origin", str(origin))
    git(folder, "fetch", "--quiet", "origin")
    git(folder, "branch", "--quiet", "--set-upstream-to=origin/main", "main")
    return folder


@cache
def _pushed(forge: Forge, answers: tuple[str, ...], quick: bool) -> Path:
    if quick:
        whole = _pushed(forge, answers, False)
        folder = Path(tempfile.mkdtemp(dir=_made.name), NAME)
        shutil.copytree(whole, folder, symlinks=True)
        cut(folder)
        commit_all(folder, "Cut")
        return folder
    folder = generate(Path(tempfile.mkdtemp(dir=_made.name), NAME), [f"ci={forge}", *answers])
    # What the hooks of a commit would refuse is for the pipelines to find.
    git(folder, "config", "core.hooksPath", os.devnull)
    shutil.rmtree(folder / ".venv", ignore_errors=True)
    ask(folder, database())
    commit_all(folder, "Ask another database of holes")
    return folder


def runner(folder: Path, **own: str) -> dict[str, str]:
    """What the machine of a job has: a new home, and what its caches would have kept."""
    home = folder / "home"
    home.mkdir(parents=True, exist_ok=True)
    (home / ".gitconfig").write_text(Path(os.environ["GIT_CONFIG_GLOBAL"]).read_text())
    kept = {
        "UV_CACHE_DIR": _output("uv", "cache", "dir"),
        "PIP_CACHE_DIR": str(Path.home() / ".cache/pip"),
        "MYPY_CACHE_DIR": str(Path(_made.name) / "mypy"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return environment(**kept, **own, HOME=str(home), GIT_CONFIG_GLOBAL=str(home / ".gitconfig"))


@cache
def _output(*command: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.check_output(command, text=True, env={**os.environ, "PATH": path}).strip()


# What takes long, cut ---------------------------------------------------------------------------

QUICK_TEST = '''\
"""What stands for the tests of the project."""

import {package}


def test_it_is_installed() -> None:
    assert {package}.__name__ == "{package}"
'''
# Stand for the tools behind `change`, `image`, `probe` and `sbom`; whoever tests those restores it.
STUBS = {
    "change.py": {"change.md": "No model was trained.\n", "change.html": "<p>None.</p>\n"},
    "stack.py": {},
    "probe.py": {},
    "sbom.py": {"sbom.cdx.json": "{}\n"},
}
STUB = '''\
"""Stands for what takes long."""

from pathlib import Path

REPORTS: dict[str, str] = {reports}

Path("reports").mkdir(exist_ok=True)
for name, text in REPORTS.items():
    Path("reports", name).write_text(text, encoding="utf-8")
'''


def cut(project: Path) -> None:
    """Leave one quick test, and stubs of what trains models and builds images."""
    package = _package(project).name
    (project / "tests/test_quick.py").write_text(QUICK_TEST.format(package=package))
    _replace(project / "pyproject.toml", '= ["tests"]', '= ["tests/test_quick.py"]')
    noxfile = (project / "noxfile.py").read_text(encoding="utf-8")
    for name, reports in STUBS.items():
        assert f"tools/{name}" in noxfile, name
        listed = "".join(f"    {name!r}: {text!r},\n" for name, text in reports.items())
        text = STUB.format(reports="{\n" + listed.replace("'", '"') + "}" if listed else "{}")
        (project / "tools" / name).write_text(text)


def restore(project: Path, *tools: str) -> None:
    """Put the real ones in the place of these stubs, and commit it on main."""
    git(project, "checkout", "--quiet", "main~1", "--", *(f"tools/{name}" for name in tools))
    commit_all(project, "Restore")
    git(project, "push", "--quiet", "origin", "main")


# Seeded defects ---------------------------------------------------------------------------------


def _package(project: Path) -> Path:
    [found] = project.glob("src/*/")
    return found


def _replace(path: Path, old: str, new: str, count: int = 1) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text, f"{path} has no {old}"
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def lint_error(project: Path) -> None:
    path = _package(project) / "errors.py"
    path.write_text(path.read_text() + "\nunused = lambda: missing\n")


def failing_test(project: Path) -> None:
    with (project / "tests/test_quick.py").open("a") as file:
        file.write("\n\ndef test_that_fails() -> None:\n    assert sum([1, 1]) == 3\n")


def contract_breach(project: Path) -> None:
    """The contract says that a text of the sample is a number."""
    path = project / "contracts/flights.odcs.yaml"
    text = path.read_text(encoding="utf-8")
    before, name, after = text.partition("- name: carrier\n")
    assert "logicalType: string" in after
    after = after.replace("logicalType: string", "logicalType: integer", 1)
    path.write_text(before + name + after, encoding="utf-8")


def worse_model(project: Path) -> None:
    """A model that cannot learn much."""
    path = project / "params.yaml"
    _replace(path, "kind: auto", "kind: lightgbm")
    _replace(path, "trees: 300", "trees: 1")
    _replace(path, "leaves: 8", "leaves: 2")
    _replace(path, "learning_rate: 0.03", "learning_rate: 0.001")


def leaked_secret(project: Path) -> None:
    """A key of the form that a vendor gives, made here so that it does not stand in this file."""
    key = "AKIA" + "IOSFODNN7" + "KLMNOPQ"
    (project / "deploy/upload.sh").write_text(f"export AWS_ACCESS_KEY_ID={key}\n")


# What can be moved to another version, in the files of each forge, and how it is named then.
MOVED = {
    "github": (r"@[0-9a-f]{40}( #.*)?$", "@v1"),
    "gitlab": (r"(image: \S+/python):\S+$", r"\1:latest"),
    "azure_devops": (r"(vmImage: ubuntu)-[\d.]+$", r"\1-latest"),
}


def unpinned_action(project: Path) -> None:
    """One action, image or task of the pipelines goes by a name that can be moved."""
    forge = _forge(project)
    files = [
        path
        for place in PIPELINES[forge]
        for path in [project / place, *sorted((project / place).rglob("*"))]
        if path.suffix in (".yml", ".yaml")
    ]
    for path in files:
        text = path.read_text(encoding="utf-8")
        changed = re.sub(*MOVED[forge], text, count=1, flags=re.MULTILINE)
        if changed != text:
            path.write_text(changed, encoding="utf-8")
            return
    raise AssertionError("nothing is pinned")


def stale_lock(project: Path) -> None:
    """pyproject.toml asks for something that uv.lock does not know of."""
    _replace(project / "pyproject.toml", '"click>=8.1,<9"', '"click>=8.1.1,<9"')


class Defect(NamedTuple):
    make: Callable[[Path], None]
    # The job that must go red, and no other one of *checks*.
    job: str


# Every job begins with `uv run`, so a stale lock stops all of them: the first one stands for it.
EVERY = "every job"
DEFECTS = {
    "lint error": Defect(lint_error, "lint"),
    "unpinned action": Defect(unpinned_action, "lint"),
    "leaked secret": Defect(leaked_secret, "scans"),
    "failing test": Defect(failing_test, "tests"),
    "contract breach": Defect(contract_breach, "data"),
    "worse model": Defect(worse_model, "loop"),
    "stale lock": Defect(stale_lock, EVERY),
}


def sampled(forge: Forge, defects: Iterable[str] = DEFECTS) -> list[Any]:
    """Each defect for a test of this forge; one forge in three has it where time is short."""
    mine = list(DEFECTS)[FORGES.index(forge) :: len(FORGES)]
    return [
        pytest.param(defect, marks=[] if defect in mine else [pytest.mark.more])
        for defect in defects
    ]


# Where time is short, each job runs on one forge with nothing cut; the tests of a project run with
# tests/project as well.
REALLY: dict[Forge, set[str]] = {"github": {"scans", "loop"}, "gitlab": {"lint", "data", "alerts"}}


def shared_out(forge: Forge, jobs: Iterable[str]) -> list[Any]:
    """Each of these jobs for a test of this forge."""
    return [
        pytest.param(job, marks=[] if job in REALLY[forge] else [pytest.mark.more]) for job in jobs
    ]


def seed(project: Path, defect: str) -> str:
    """Commit a defect on a branch `change`, and push it; the job that must go red."""
    return propose(project, defect, DEFECTS[defect].make) or DEFECTS[defect].job


def propose(project: Path, title: str, make: Callable[[Path], Any]) -> None:
    """Commit what ``make`` does to the project on a branch `change`, and push it."""
    git(project, "checkout", "--quiet", "-B", "change", "main")
    make(project)
    commit_all(project, title)
    git(project, "push", "--quiet", "--force", "origin", "change")


def _forge(project: Path) -> Forge:
    [found] = [name for name in FORGES if (project / PIPELINES[name][0]).exists()]
    return found


# A database of holes ----------------------------------------------------------------------------


class _Holes(BaseHTTPRequestHandler):
    """Answers like OSV."""

    known: Mapping[str, str] = {}  # the holes of packages, by their names

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        holes = [self.known.get(query["package"]["name"]) for query in asked["queries"]]
        self._answer({"results": [{"vulns": [{"id": hole}]} if hole else {} for hole in holes]})

    def do_GET(self) -> None:
        hole = self.path.rpartition("/")[2]
        names = [name for name, known in self.known.items() if known == hole]
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}} for name in names]
        self._answer({"id": hole, "modified": "2026-01-01T00:00:00Z", "affected": affected})

    def _answer(self, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *what: object) -> None:
        """Quiet."""


@cache
def database(**known: str) -> str:
    """Where a database of holes answers, as long as this process lives."""
    handler = type("_Known", (_Holes,), {"known": known})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def ask(project: Path, url: str) -> None:
    """Let `nox -s audit` ask there: where tests run, nothing else is to be had."""
    path = project / "noxfile.py"
    text = path.read_text(encoding="utf-8")
    line = '        *("uv", "audit", '
    if line in text:
        text = text.replace(
            line, '        *("uv", "audit"),\n        "--service-url=",\n        *('
        )
    text, count = re.subn('"--service-url=[^"]*"', f'"--service-url={url}"', text)
    assert count == 1
    path.write_text(text, encoding="utf-8")


# What was proved --------------------------------------------------------------------------------


def proved(forge: Forge, job: str, level: Level) -> None:
    """Note that a job's steps really ran, or that a validator took it, when asked to record."""
    if os.environ.get("DAYONE_RECORD") != "1":
        return
    with RECORD.open("a+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        record = json.loads(file.read() or "{}")
        jobs = record.setdefault(forge, {})
        if jobs.get(job) != "executed":
            jobs[job] = level
        file.truncate(0)
        file.write(json.dumps(record, indent=2, sort_keys=True) + "\n")
