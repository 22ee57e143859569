"""The task list. Bare `nox` runs lint, types and tests; it needs Python, git and the index."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

CONSTRAINTS = ("--constraint", "requirements/dev.txt")
OWN_CODE = ("src", "hooks", "tests", "noxfile.py")
PYPROJECT = nox.project.load_toml("pyproject.toml")


def install(session: nox.Session, *groups: str, package: bool = True) -> None:
    """Install dependency groups at the versions of the constraints, and dayone itself."""
    packages = nox.project.dependency_groups(PYPROJECT, *groups)
    session.install(*CONSTRAINTS, *packages, *(["."] if package else []))


@nox.session(default=False)
def pin(session: nox.Session) -> None:
    """Choose the newest versions that fit together, for every Python, as constraints."""
    session.install("uv")
    session.run(
        *("uv", "pip", "compile", "pyproject.toml", "--group", "dev", "--upgrade", "--quiet"),
        *("--universal", "--python-version", "3.11", "--output-file", CONSTRAINTS[1]),
        *("--no-annotate", "--no-emit-index-url", "--no-emit-find-links"),
        env={"UV_CUSTOM_COMPILE_COMMAND": "nox -s pin"},
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and likely mistakes: ruff's linter and formatter change nothing."""
    install(session, "lint", package=False)
    session.run("ruff", "check", *OWN_CODE)
    session.run("ruff", "format", "--check", *OWN_CODE)


@nox.session
def types(session: nox.Session) -> None:
    """Type check the CLI and the hooks."""
    install(session, "types")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The CLI on small templates; `nox -s tests -- ARGS` passes ARGS to pytest."""
    install(session, "test")
    session.run("pytest", "-n", "auto", "tests/cli", *session.posargs)
