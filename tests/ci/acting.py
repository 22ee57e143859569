"""Workflows of GitHub that really run here: `act` runs the steps of their jobs on this machine.

    ran = act(project, tmp_path, "pull_request", job="lint")
    assert ran.jobs == {"scope": "success", "lint": "success"}

There is no engine for containers and nothing of GitHub's: what the actions of others do is left to
stubs that stand here. `act` itself does what actions/checkout does.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from ci.going import runner
from support.git import git
from support.pythons import PYTHONS, interpreter

USES = re.compile(r"uses: (?P<action>[\w.-]+/[\w.-]+)@(?P<ref>\S+)")
STUB = """\
name: {name}
description: Stands for it
inputs:
{inputs}
runs:
  using: composite
  steps:
    - env:
        INPUTS: ${{{{ toJSON(inputs) }}}}
      run: {python} {script} {name}
      shell: bash
"""
# Stands for `sudo`, which not every machine has.
SUDO = '#!/bin/sh\nexec "$@"\n'
# Stands for a program that would ask a server: it notes how it was called.
NOTED = '#!/bin/sh\necho "$(basename "$0") $*" >> "$SAID"\n'


class Ran(NamedTuple):
    code: int
    # How each job ended, `tests (3.12)` for one of a matrix; one that was left out is not there.
    jobs: dict[str, str]
    # The commands that ran in each job.
    commands: dict[str, list[str]]
    output: str
    artifacts: Path
    # What the stubs were given, a line each.
    stubs: str

    def red(self) -> set[str]:
        """The jobs that failed."""
        return {name for name, result in self.jobs.items() if result != "success"}


def run_itself(command: list[str], folder: Path, environment: dict[str, str]) -> tuple[int, str]:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def act(
    project: Path,
    folder: Path,
    event: str,
    payload: dict[str, Any] | None = None,
    *,
    workflow: str = "checks",
    job: str = "",
    python: str = "",
    noted: tuple[str, ...] = (),
    secrets: dict[str, str] | None = None,
    run: Callable[[list[str], Path, dict[str, str]], tuple[int, str]] = run_itself,
    **own: str,
) -> Ran:
    """Let an event happen to what is checked out in a project.

    ``own`` is environment besides; of the programs ``noted``, only the calls are noted.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "event.json").write_text(json.dumps(payload or {}), encoding="utf-8")
    stubs = _stubs(project, folder / "actions")
    command = ["act", event, "--json", "--action-offline-mode", "--no-cache-server"]
    # One after the other, because they may share an environment.
    command += ["--concurrent-jobs", "1"]
    command += ["--workflows", f".github/workflows/{workflow}.yml"]
    command += ["--eventpath", str(folder / "event.json"), *_platforms(project)]
    command += [f"--local-repository={use}={path}" for use, path in stubs.items()]
    command += [f"--secret={name}={value}" for name, value in (secrets or {}).items()]
    command += ["--job", job] if job else []
    command += ["--matrix", f"python:{python}"] if python else []
    (folder / "artifacts").mkdir(exist_ok=True)
    (folder / "said").touch()
    environment = _machine(folder, noted) | {
        "ARTIFACTS": str(folder / "artifacts"),
        "PYTHONS": str(_pythons(folder)),
        "SAID": str(folder / "said"),
        **own,
    }
    code, output = run(command, project, environment)
    return _read(code, output, folder)


def _machine(folder: Path, noted: tuple[str, ...]) -> dict[str, str]:
    """The environment of a runner: git knows nobody there, `sudo` and `act` are on the PATH."""
    environment = runner(folder)
    (folder / "home/.gitconfig").write_text("[safe]\n    directory = *\n")
    tools = folder / "bin"
    tools.mkdir(exist_ok=True)
    for name, text in {"sudo": SUDO, **dict.fromkeys(noted, NOTED)}.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    found = shutil.which("act", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert found, "act is not installed"
    (tools / "act").symlink_to(found)
    # Podman's network wants iptables from the last one.
    return environment | {"PATH": f"{tools}:{environment['PATH']}:/usr/sbin"}


def _platforms(project: Path) -> list[str]:
    texts = [path.read_text() for path in (project / ".github/workflows").glob("*.yml")]
    labels = {label for text in texts for label in re.findall(r"runs-on: (\S+)", text)}
    return [f"--platform={label}=-self-hosted" for label in sorted(labels)]


def _stubs(project: Path, folder: Path) -> dict[str, Path]:
    """A stub for each action of others that the workflows use, by its name and version."""
    stubs: dict[str, Path] = {}
    given: dict[str, set[str]] = {}
    files = sorted((project / ".github").rglob("*.yml"))
    for path in files:
        for use, inputs in _used(yaml.safe_load(path.read_text(encoding="utf-8"))):
            given.setdefault(use, set()).update(inputs)
    for use, inputs in given.items():
        name = use.partition("@")[0]
        stubs[use] = folder / name
        stubs[use].mkdir(parents=True, exist_ok=True)
        listed = "".join(f"  {each}: {{required: false}}\n" for each in sorted(inputs))
        listed = listed or "  none: {required: false}\n"
        script = Path(__file__).with_name("stub.py")
        text = STUB.format(name=name, inputs=listed, python=sys.executable, script=script)
        (stubs[use] / "action.yml").write_text(text, encoding="utf-8")
    return stubs


def _used(content: Any) -> list[tuple[str, set[str]]]:
    """Each `uses:` of an action of others, with the names of what it is given."""
    if isinstance(content, list):
        return [found for item in content for found in _used(item)]
    if not isinstance(content, dict):
        return []
    found = [each for item in content.values() for each in _used(item)]
    use = content.get("uses")
    if isinstance(use, str) and not use.startswith(("./", "actions/checkout@")):
        found.append((use, set(content.get("with", {}))))
    return found


def _pythons(folder: Path) -> Path:
    """What actions/setup-python would bring; the Python of these tests for one that is not here."""
    for version in PYTHONS:
        place = folder / "pythons" / version / "python"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(interpreter(version))
    return folder / "pythons"


def _read(code: int, output: str, folder: Path) -> Ran:
    jobs: dict[str, str] = {}
    commands: dict[str, list[str]] = {}
    told = []
    for line in output.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            told.append(line)
            continue
        name = said.get("jobID", "")
        if values := (said.get("matrix") or {}).values():
            name += f" ({', '.join(map(str, values))})"
        # What it says of a job counts all of a matrix.
        if "stepResult" in said:
            worse = "failure" in (jobs.get(name), said["stepResult"])
            jobs[name] = "failure" if worse else "success"
        own = said.get("stage") == "Main" and len(said.get("stepID", [])) == 1
        if own and said.get("stepResult") in ("success", "failure"):
            commands.setdefault(name, []).append(said["step"])
        told.append(f"{name}: {said.get('msg', '').rstrip()}")
    stubs = (folder / "said").read_text(encoding="utf-8")
    return Ran(code, jobs, commands, "\n".join(told), folder / "artifacts", stubs)


def pull_request(project: Path) -> dict[str, Any]:
    """What GitHub says of one from what is checked out into main.

    GitHub checks out a merge, whose first parent is main; here it is a commit made on main.
    """
    return {
        "pull_request": {
            "number": 1,
            "base": {"ref": "main", "sha": git(project, "rev-parse", "main")},
            "head": {"ref": "change", "sha": git(project, "rev-parse", "HEAD")},
        }
    }


def push(project: Path, before: str = "HEAD~1") -> dict[str, Any]:
    """What GitHub says of a push to main; empty when it is the first."""
    old = git(project, "rev-parse", before) if before else "0" * 40
    return {"ref": "refs/heads/main", "before": old, "after": git(project, "rev-parse", "HEAD")}
