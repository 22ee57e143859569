"""Templates for tests of the CLI; a test that changes one makes its own."""

from pathlib import Path

import pytest

from support.tiny import COMMANDS, tiny_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny template; read only."""
    return tiny_template(tmp_path_factory.mktemp("templates") / "tiny")


@pytest.fixture(scope="session")
def template_with_commands(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny template whose projects have `use-data` and `nox`; read only."""
    return tiny_template(tmp_path_factory.mktemp("templates") / "commands", COMMANDS)


@pytest.fixture
def own_template(tmp_path: Path) -> Path:
    """A tiny template that a test may change."""
    return tiny_template(tmp_path / "template")


@pytest.fixture
def dest(tmp_path: Path) -> Path:
    return tmp_path / "my-poc"
