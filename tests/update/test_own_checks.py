"""Updated projects with edits still pass their own style checks, types and tests.

One here, with the migration of the whole chain; others with `nox -s full`.
"""

import json
import subprocess
from itertools import cycle
from pathlib import Path

import pytest

from dayone.project import environment, find_uv
from support.cli import dayone
from support.git import commit_all

from .cases import ANSWERS, EVERYTHING, between
from .chain import MIGRATION, TAGS, Pair
from .edits import KINDS
from .projects import Templates, recorded_answers

# Edits of files that no check of the project has an opinion on.
HARMLESS = ("yours", "non_ascii_names", "mode")
EVERY = [(Pair(old, TAGS[-1]), answers) for old, answers in zip(TAGS[:-1], cycle(ANSWERS))]
SAMPLE = EVERY if EVERYTHING else [(Pair(TAGS[0], TAGS[-1]), "defaults")]


@pytest.mark.parametrize(("pair", "answers"), SAMPLE)
def test_project_passes_its_own_checks_after_an_update(
    pair: Pair, answers: str, templates: Templates, tmp_path: Path
) -> None:
    project = templates.project(pair.old, ANSWERS[answers], tmp_path / "project")
    update = between(pair, templates, project)
    for kind in HARMLESS:
        KINDS[kind].make(project, update)
    in_project(project, find_uv(), "lock", "--quiet")
    commit_all(project)
    done = dayone("update", project, "--vcs-ref", pair.new, "--defaults", "--json")
    assert done.code == 0, done.out + done.err
    checks = {check["name"]: check["passed"] for check in json.loads(done.out)["checks"]}
    assert checks == {"lint": True, "types": True}
    assert recorded_answers(project)["migrated"] == [MIGRATION]
    parameters = (project / "params.yaml").read_text()
    assert "  rows_per_tree: 0.8\n" in parameters
    assert "  leaves: 12\n" in parameters
    said = in_project(project, find_uv(), "run", "nox", "-s", "tests")
    assert " passed" in said


def in_project(project: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=project,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
