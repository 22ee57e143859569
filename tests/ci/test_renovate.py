"""renovate.json is what Renovate takes, and finds what is pinned in the project of each forge."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import npm
from support.git import commit_all
from support.rendering import render

VERSION = "renovate@44.121.2"
MANAGERS = {"github": "github-actions", "gitlab": "gitlabci", "azure_devops": "azure-pipelines"}
# A line that names an image or an action, as it stands in each kind of file.
PINNED = {
    "compose.yaml": re.compile(r"^ *image: \S+/(\S+):v?[0-9]", re.MULTILINE),
    ".github": re.compile(r"uses: ([^.\s@][^\s@]*)@[0-9a-f]{40} # v", re.MULTILINE),
    # Renovate does not look below deployments and conditions.
    ".azuredevops/checks.yml": re.compile(r"task: (\S+)@[0-9]", re.MULTILINE),
    "release.yml": re.compile(r"value: \S+/(\S+?):v[0-9.]+@sha256:", re.MULTILINE),
    ".gitlab": re.compile(r"image: \S+/(\S+):v?[0-9]", re.MULTILINE),
}


def program() -> tuple[Path, Path]:
    """Node, and the folder of Renovate."""
    node = npm.newer_node()
    return node, npm.installed(VERSION, "--ignore-scripts", node=node) / "renovate"


def renovate(
    script: str, *words: str, folder: Path, **own: str
) -> subprocess.CompletedProcess[str]:
    node, installed = program()
    return subprocess.run(
        [node, installed / "dist" / script, *words],
        cwd=folder,
        env={**os.environ, "RENOVATE_BASE_DIR": str(folder.parent / "renovate"), **own},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module", params=sorted(MANAGERS))
def forge(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def project(forge: str, tmp_path: Path) -> Path:
    project = render({"ci": forge}, tmp_path / "my-poc")
    commit_all(project)
    return project


def validated(project: Path) -> subprocess.CompletedProcess[str]:
    return renovate("config-validator.js", "--strict", "renovate.json", folder=project)


def test_its_own_validator_takes_it(project: Path) -> None:
    done = validated(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Config validated successfully" in done.stdout


def test_its_own_validator_takes_no_misspelt_key(project: Path) -> None:
    path = project / "renovate.json"
    path.write_text(path.read_text().replace("matchUpdateTypes", "matchUpdateType"))
    done = validated(project)
    assert done.returncode == 1
    assert "matchUpdateType" in done.stdout


def test_presets_are_known_ones(project: Path) -> None:
    """The validator does not look."""
    content = json.loads((project / "renovate.json").read_text())
    assert content["extends"] == ["config:recommended"]


def test_it_finds_what_is_pinned(project: Path, forge: str) -> None:
    found = extracted(project)
    scripts = {"regex"} if forge == "azure_devops" else set()
    assert set(found) == {MANAGERS[forge], "docker-compose", "dockerfile"} | scripts
    assert {"python", "uv"} <= last_words(found["dockerfile"])
    for manager, place in (
        ("docker-compose", "compose.yaml"),
        ("github-actions", ".github"),
        ("gitlabci", ".gitlab"),
        ("azure-pipelines", ".azuredevops/checks.yml"),
        ("regex", "release.yml"),
    ):
        if manager in found:
            assert last_words(found[manager]) >= written(project, place), manager


def extracted(project: Path) -> dict[str, list[dict[str, Any]]]:
    """What Renovate reads out of a project, without asking anybody for newer versions."""
    log = project.parent / "renovate.jsonl"
    own = {"LOG_FILE": str(log), "LOG_FILE_LEVEL": "debug", "LOG_LEVEL": "error"}
    done = renovate("renovate.js", "--platform=local", "--dry-run=extract", folder=project, **own)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [found] = [line["packageFiles"] for line in lines if "packageFiles" in line][-1:]
    return dict(found)


def last_words(files: list[dict[str, Any]]) -> set[str]:
    names = [one["depName"] for file in files for one in file["deps"] if one.get("depName")]
    return {name.rpartition("/")[2] for name in names}


def written(project: Path, place: str) -> set[str]:
    files = [
        path
        for path in project.rglob("*.y*ml")
        if place in path.relative_to(project).as_posix() and ".git/" not in path.as_posix()
    ]
    text = "\n".join(path.read_text() for path in files)
    names = {name.rpartition("/")[2] for name in PINNED[place].findall(text)}
    assert names, place
    return names
