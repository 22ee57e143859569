"""gitlab-ci-local, which runs the jobs of a GitLab pipeline in the shells of this machine.

    ran = GitLab(tmp_path).merge_request(project)
    assert ran.failed == set(), ran.said

A job begins in a copy of what is committed, has the machine's Python, and a copy of what the jobs
that it needs have kept. Images, services, caches, tokens and limits of time are not known here.
"""

import os
import re
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ci.going import runner
from support import npm
from support.containers import STATE, World
from support.git import git
from support.pythons import PYTHONS, interpreter

VERSION = "gitlab-ci-local@4.75.1"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ENDED = re.compile(r"^ (PASS|FAIL)  +(\S.*?)\s*$", re.MULTILINE)
# What jobs find instead of the programs of an image: nothing is installed here, and a Python is the
# one of the version that the image would have.
STAND_INS = {
    "apt-get": "exit 0",
    "python": 'exec "$PYTHONS/$PYTHON/python" "$@"',
}


class Ran(NamedTuple):
    passed: set[str]
    failed: set[str]
    said: str


class GitLab:
    """A server with one runner; ``folder`` is for what it needs.

    In a world it has an engine for containers, with settings of its own.
    """

    def __init__(self, folder: Path, world: World | None = None, **own: str) -> None:
        programs = folder / "programs"
        for name, script in STAND_INS.items():
            _write(programs / name, script)
        known = runner(folder, **own)
        self._environment = {
            **known,
            # Jobs are root, so its programs are at hand; Podman asks for iptables.
            "PATH": os.pathsep.join([str(programs), known["PATH"], "/usr/sbin"]),
            "PYTHONS": str(folder / "pythons"),
        }
        for version in PYTHONS:
            script = f'exec "{interpreter(version)}" "$@"'
            _write(folder / "pythons" / version / "python", script)
        # Jobs keep packages in their own folder, which begins empty here.
        self._kept = {"UV_CACHE_DIR": known["UV_CACHE_DIR"]}
        self._world = world
        if world:
            conf = str(STATE / "conf/containers.conf")
            self._kept |= {"CONTAINERS_CONF": conf, "STORAGE_DRIVER": "", "STORAGE_OPTS": ""}

    def merge_request(self, project: Path, *jobs: str, **variables: str) -> Ran:
        """The pipeline of what is checked out, or these jobs of it."""
        return self._run(project, jobs, self._merge_request(project) | variables)

    def push(self, project: Path, *jobs: str, **variables: str) -> Ran:
        """The pipeline of a first push of main, when everything has changed."""
        return self._run(project, ["--no-evaluate-rule-changes", *jobs], variables)

    def jobs(self, project: Path, *words: str, **variables: str) -> list[str]:
        """The names of the jobs of a pipeline that these variables begin."""
        _, listed = self._said(project, ["--list-csv", *words], variables)
        rows = [line.split(";") for line in listed.splitlines() if ";" in line]
        return [row[0].strip('"') for row in rows[1:]]

    def jobs_of_change(self, project: Path) -> list[str]:
        return self.jobs(project, **self._merge_request(project))

    def _merge_request(self, project: Path) -> dict[str, str]:
        base = git(project, "merge-base", "origin/main", "HEAD")
        return {
            "CI_COMMIT_BRANCH": "",
            "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
            "CI_PIPELINE_SOURCE": "merge_request_event",
        }

    def _run(self, project: Path, words: Iterable[str], variables: dict[str, str]) -> Ran:
        shell = ("--force-shell-executor", "--shell-isolation", "--concurrency=2")
        code, said = self._said(project, [*shell, *words], variables)
        ended = ENDED.findall(said)
        assert ended, said[-6000:]
        passed, failed = ({name for how, name in ended if how == word} for word in ("PASS", "FAIL"))
        assert (code == 0) is (not failed), said[-6000:]
        return Ran(passed, failed, said)

    def _said(self, project: Path, words: list[str], variables: dict[str, str]) -> tuple[int, str]:
        git(project, "remote", "set-head", "origin", "main")
        told = [f"--variable={name}={value}" for name, value in (self._kept | variables).items()]
        quiet = "--ignore-predefined-vars=CI_COMMIT_BRANCH,CI_COMMIT_TAG,CI_PIPELINE_SOURCE"
        command = [*_program(), quiet, *told, *words]
        if self._world:
            own = self._environment
            code, said = self._world.try_(*command, cwd=project, timeout=1800, **own)
        else:
            done = subprocess.run(
                command,
                cwd=project,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            code, said = done.returncode, done.stdout
        return code, COLOUR.sub("", said)


def _write(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@cache
def _program() -> tuple[str, str]:
    """Node, and what it is to run, installed where caches are."""
    node = npm.newer_node()
    installed = npm.installed(VERSION, node=node)
    return str(node), str(installed / "gitlab-ci-local/dist/index.js")
