"""Projects of a tiny template that has files of every owner."""

import shutil
from pathlib import Path

import pytest

from support.cli import dayone
from support.drift import FILES
from support.git import commit_all, git
from support.tiny import tiny_template


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A template with files of every owner; read only."""
    folder = tiny_template(tmp_path_factory.mktemp("source") / "template", FILES)
    (folder / "template/tools/check.sh").chmod(0o755)
    commit_all(folder)
    git(folder, "tag", "v1.0.0")
    return folder


@pytest.fixture(scope="session")
def made(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the template makes, without a repository; read only."""
    folder = tmp_path_factory.mktemp("made") / "my-poc"
    result = dayone("new", folder, "--template", source, "--defaults", "--no-hooks")
    assert result.code == 0, result.err
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A committed project that a test may change."""
    folder = tmp_path / "my-poc"
    shutil.copytree(made, folder)
    commit_all(folder, "Start")
    return folder


@pytest.fixture
def drifted(project: Path) -> Path:
    """One file changed, one deleted, one with another mode."""
    (project / "noxfile.py").write_text("first\nmine\n")
    (project / "tools/prüfung.py").unlink()
    (project / "tools/check.sh").chmod(0o644)
    commit_all(project, "Drift")
    return project
