"""The task list. Bare `nox` runs lint, types and tests; it needs Python, git and the index."""

import nox

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]

CONSTRAINTS = ("--constraint", "requirements/dev.txt")
OWN_CODE = ("src", "hooks", "tests", "tools", "docs", "benchmarks", "noxfile.py")
# The longest first, so that no core waits for another at the end.
DEFAULT_TESTS = (
    *("tests/project/test_project.py", "tests/render", "tests/cli"),
    *("tests/update/test_plan.py", "tests/update/test_path_freeze.py"),
)
NEEDS_ROOT = (
    "tests/project/test_offline.py",
    *("tests/update/test_full_disk.py", "tests/data/test_full_disk.py"),
)
UPDATE_TESTS = ("tests/update", f"--ignore={NEEDS_ROOT[1]}")
DATA_TESTS = ("tests/data", f"--ignore={NEEDS_ROOT[2]}")
# They share images, so they run in one process.
CONTAINER_TESTS = ("tests/watch/test_images.py", "tests/watch/test_compose.py")
PARALLEL = ("-n", "2", "--dist", "loadgroup")
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
    """Type check the CLI, the hooks and the tools."""
    install(session, "types", "release")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """The CLI, the rendered trees and emitted projects; `nox -s tests -- ARGS` is for pytest."""
    install(session, "test")
    session.run("pytest", *PARALLEL, *(session.posargs or ("-m", "not more", *DEFAULT_TESTS)))


@nox.session(default=False)
def projects(session: nox.Session) -> None:
    """The emitted projects that bare `nox` leaves out, so that it ends within minutes."""
    install(session, "test")
    session.run("pytest", *PARALLEL, "-m", "more", "tests/project/test_project.py")


@nox.session(default=False)
def update(session: nox.Session) -> None:
    """Updates of edited projects through nine versions, and kills: a seeded sample."""
    install(session, "test")
    session.run("pytest", *PARALLEL, *(session.posargs or UPDATE_TESTS))


@nox.session(default=False)
def data(session: nox.Session) -> None:
    """Clouds with sources, real servers of both, and kills: a seeded sample.

    Wants MariaDB and npm, which .ci/run installs.
    """
    install(session, "data")
    session.run("pytest", *PARALLEL, *(session.posargs or DATA_TESTS))


@nox.session(default=False)
def ci(session: nox.Session) -> None:
    """Pipelines of emitted projects, run as each forge would, with defects: a sample.

    Wants root, and what .ci/run installs.
    """
    install(session, "ci")
    session.run("pytest", *PARALLEL, *(session.posargs or ("-m", "not more", "tests/ci")))


@nox.session(default=False)
def full(session: nox.Session) -> None:
    """Every case of what `update`, `data` and `ci` sample, more kills and random lives; takes long.

    What the updates came to, with its date, goes into docs/explanation/what-is-proved.md, and which
    jobs of the pipelines ran into docs/explanation/ci-proved.json.
    """
    install(session, "ci")
    env = {"DAYONE_FULL": "1", "DAYONE_RECORD": "1"}
    session.run("pytest", *PARALLEL, *UPDATE_TESTS, env=env)
    session.run("pytest", *PARALLEL, *DATA_TESTS, env=env)
    session.run("pytest", *PARALLEL, "tests/ci", env=env)


@nox.session(default=False)
def root(session: nox.Session) -> None:
    """What needs root: a network with loopback alone, and disks that are full."""
    install(session, "data")
    session.run("pytest", *(session.posargs or NEEDS_ROOT))


@nox.session(default=False)
def watch(session: nox.Session) -> None:
    """Images, alerts and drills of emitted projects; wants root, and what .ci/run installs."""
    install(session, "watch")
    if session.posargs:
        session.run("pytest", *session.posargs)
        return
    session.run("pytest", *CONTAINER_TESTS)
    rest = [f"--ignore={path}" for path in CONTAINER_TESTS]
    session.run("pytest", *PARALLEL, "tests/watch", *rest)


@nox.session(default=False)
def drills(session: nox.Session) -> None:
    """The drills alone; their timelines go into docs/how-to/watch-and-heal.md."""
    install(session, "watch")
    session.run("pytest", "tests/watch/test_drills.py", env={"DAYONE_RECORD": "1"})


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """The documentation, into site/; a broken link fails. `nox -s docs -- serve` shows it."""
    install(session, "docs")
    session.run("mkdocs", *(session.posargs or ["build", "--strict"]))


@nox.session(default=False)
def pictures(session: nox.Session) -> None:
    """The pictures of the docs, of a project's reports: `nox -s pictures -- ../my-poc`."""
    session.install(*CONSTRAINTS, "pillow")
    session.run("python", "docs/pictures.py", *session.posargs)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """The figures that the README quotes, into benchmarks/results.json; takes minutes.

    Sizes of images want root and what .ci/run installs; `-- --without-images` leaves them out.
    """
    install(session)
    images = [argument for argument in session.posargs if argument.startswith("--")]
    rounds = [argument for argument in session.posargs if argument not in images]
    session.run("python", "benchmarks/images.py", *images)
    session.run("python", "benchmarks/generation.py", *rounds)
    session.run("python", "benchmarks/loop.py", *rounds)
    session.run("python", "benchmarks/evolution.py")
    session.run("python", "benchmarks/data.py")
    session.run("python", "benchmarks/serving.py")


@nox.session(default=False)
def release(session: nox.Session) -> None:
    """Check that this commit can be released, and tag it: `nox -s release -- 1.2.0`."""
    install(session, "release", package=False)
    session.run("python", "tools/release.py", *session.posargs)
