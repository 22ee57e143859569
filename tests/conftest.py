"""Every test starts from the same git, whatever the machine's own configuration says."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

GIT_CONFIG = """\
[init]
    defaultBranch = main
[safe]
    directory = *
[user]
    name = Tester
    email = tester@example.com
"""


@pytest.fixture(scope="session", autouse=True)
def _own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Set once a session, because session fixtures of other files render and commit as well."""
    config = tmp_path_factory.mktemp("git") / "config"
    config.write_text(GIT_CONFIG)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("GIT_"):
                patch.delenv(name)
        patch.setenv("GIT_CONFIG_GLOBAL", str(config))
        patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
        # nox sets two of these, and what a test installs into a project must not end up here
        for name in (
            "PYTHONDONTWRITEBYTECODE",
            "UV_PROJECT_ENVIRONMENT",
            "UV_PYTHON",
            "VIRTUAL_ENV",
        ):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture
def no_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """git that knows no name and no e-mail."""
    config = tmp_path / "no-identity"
    config.write_text("[safe]\n    directory = *\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
