"""`nox -s release` refuses what is no release, one reason a line, and tags what is one."""

from pathlib import Path

import pytest

from release import main, problems
from support.git import commit_all, git

CHANGELOG = """\
# Changelog

## [Unreleased]

## [1.1.0] - 2026-06-30

### Added

- A report.

### Upgrading

Nothing to do.

## [1.0.0] - 2026-01-31

### Upgrading

There is nothing before this one.
"""
MIGRATION = "hooks/migrations/2.0.0_rename_key.py"


def write(repository: Path, **files: str) -> None:
    for name, text in files.items():
        path = repository / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def set_version(repository: Path, version: str) -> None:
    """Write a version everywhere where it must stand."""
    heading = f"## [{version}] - 2026-06-30"
    write(
        repository,
        **{
            "src/dayone/__init__.py": f'"""dayone."""\n\n__version__ = "{version}"\n',
            "CHANGELOG.md": CHANGELOG.replace("## [1.1.0] - 2026-06-30", heading),
        },
    )


def add_migration(repository: Path, path: str = MIGRATION) -> None:
    names = "[2.0.0_rename_key]" if path == MIGRATION else f"[{Path(path).stem}]"
    write(repository, **{path: "", "copier.yml": config(names)})


def config(names: str) -> str:
    return f"migrations: {{type: yaml, default: {names}, when: false}}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """1.0.0 is released, and 1.1.0 is ready."""
    folder = tmp_path / "dayone"
    write(folder, **{"copier.yml": config("[]"), "template/README.md.jinja": "# {{ name }}\n"})
    set_version(folder, "1.0.0")
    commit_all(folder)
    git(folder, "tag", "v1.0.0")
    set_version(folder, "1.1.0")
    write(folder, **{"template/docs/new.md": "new\n"})
    commit_all(folder)
    return folder


def test_release_is_tagged_with_its_section_and_not_pushed(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["1.1.0"], repository) == 0
    said = capsys.readouterr().out
    assert said.strip().endswith("git push --atomic origin main v1.1.0")
    assert git(repository, "cat-file", "-t", "v1.1.0") == "tag"
    message = git(repository, "tag", "--list", "--format=%(contents)", "v1.1.0")
    assert message == (
        "dayone 1.1.0\n\n### Added\n\n- A report.\n\n### Upgrading\n\nNothing to do."
    )
    assert git(repository, "rev-parse", "v1.1.0^{commit}") == git(repository, "rev-parse", "HEAD")
    assert git(repository, "status", "--porcelain") == ""


def test_first_release_needs_no_tag_before_it(repository: Path) -> None:
    git(repository, "tag", "--delete", "v1.0.0")
    assert problems(repository, "1.1.0") == []


def test_major_release_may_lose_paths_and_bring_migrations(repository: Path) -> None:
    git(repository, "mv", "template/README.md.jinja", "template/ABOUT.md.jinja")
    add_migration(repository)
    set_version(repository, "2.0.0")
    commit_all(repository)
    assert problems(repository, "2.0.0") == []
    git(repository, "tag", "v2.0.0")
    set_version(repository, "2.0.1")
    commit_all(repository)
    assert problems(repository, "2.0.1") == []


@pytest.mark.parametrize("version", ["v1.1.0", "1.1", "1.1.0rc1", "1.1.0-rc.1", "01.1.0", "next"])
def test_what_is_no_version_is_refused(repository: Path, version: str) -> None:
    assert problems(repository, version) == [
        f"{version} is no version: it is written MAJOR.MINOR.PATCH, as in 1.2.0."
    ]


@pytest.mark.parametrize("arguments", [[], ["1.1.0", "1.2.0"]])
def test_session_wants_one_version(
    arguments: list[str], repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments, repository) == 2
    assert "nox -s release -- 1.2.0" in capsys.readouterr().err


def test_refusal_leaves_no_tag(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(repository, **{"notes.txt": "untracked"})
    assert main(["1.1.0"], repository) == 1
    assert capsys.readouterr().err == (
        "There are changes that are not committed: commit them, or put them away.\n"
    )
    assert git(repository, "tag", "--list") == "v1.0.0"


@pytest.mark.parametrize("newest", ["v1.1.0", "v1.10.0", "2.0.0"])
def test_version_must_be_the_newest(repository: Path, newest: str) -> None:
    git(repository, "tag", newest)
    assert problems(repository, "1.1.0") == [f"1.1.0 is not newer than {newest}."]


def test_package_must_have_the_version(repository: Path) -> None:
    write(repository, **{"src/dayone/__init__.py": '__version__ = "1.0.0"\n'})
    commit_all(repository)
    assert problems(repository, "1.1.0") == [
        "src/dayone/__init__.py says 1.0.0: write 1.1.0 there, and commit it."
    ]


def test_releases_are_made_on_main(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "feature")
    assert problems(repository, "1.1.0") == ["This is feature: releases are made on main."]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("## [1.1.0]", "## [1.1.1]", "CHANGELOG.md has no section for it: ## [1.1.0] - "),
        (" - 2026-06-30", "", "CHANGELOG.md says 1.1.0 is of no date: a date is YYYY-MM-DD."),
        ("2026-06-30", "30.6.2026", "CHANGELOG.md says 1.1.0 is of 30.6.2026: a date is "),
        ("2026-06-30", "2026-06-31", "CHANGELOG.md says 1.1.0 is of 2026-06-31: a date is "),
        ("Nothing to do.\n", "", 'CHANGELOG.md has no text under "### Upgrading" in 1.1.0: '),
        ("### Upgrading\n\nNothing", "Nothing", 'CHANGELOG.md has no text under "### Upgrading"'),
        ("### Added", "### Upgrading\n\n### Added", 'CHANGELOG.md has no text under "### Upgr'),
    ],
)
def test_changelog_must_say_what_to_do(repository: Path, old: str, new: str, reason: str) -> None:
    write(repository, **{"CHANGELOG.md": CHANGELOG.replace(old, new, 1)})
    commit_all(repository)
    (found,) = problems(repository, "1.1.0")
    assert found.startswith(reason)


def test_minor_release_keeps_every_path_of_the_one_before(repository: Path) -> None:
    git(repository, "tag", "v1.1.0")
    git(repository, "mv", "template/docs/new.md", "template/docs/newer.md")
    set_version(repository, "1.2.0")
    commit_all(repository)
    assert problems(repository, "1.2.0") == [
        "docs/new.md is in v1.1.0 and missing in the work tree: it may go at a new major version."
    ]


SERVING = "serving: {type: str, choices: [[A service, realtime], [A job, batch]]}\n"
PYTHON = 'python: {type: str, choices: ["3.11", "3.12"]}\n'


@pytest.mark.parametrize(
    ("now", "gone"),
    [
        (SERVING + PYTHON.replace('"3.11", ', ""), "python: 3.11"),
        (SERVING.replace("batch", "table") + PYTHON, "serving: batch"),
        (SERVING + PYTHON.replace("python", "python_version"), "python"),
    ],
)
def test_minor_release_takes_every_answer_of_the_one_before(
    repository: Path, now: str, gone: str
) -> None:
    write(repository, **{"copier.yml": config("[]") + SERVING + PYTHON})
    commit_all(repository)
    git(repository, "tag", "v1.1.0")
    write(repository, **{"copier.yml": config("[]") + now})
    set_version(repository, "1.2.0")
    commit_all(repository)
    assert problems(repository, "1.2.0") == [
        f"{gone} could be answered in v1.1.0 and cannot any more: it may go at a new major version."
    ]
    set_version(repository, "2.0.0")
    commit_all(repository)
    assert problems(repository, "2.0.0") == []


@pytest.mark.parametrize("path", [MIGRATION, "hooks/migrations/1.1.0_rename_key.py"])
def test_minor_release_brings_no_migration(repository: Path, path: str) -> None:
    add_migration(repository, path)
    commit_all(repository)
    assert problems(repository, "1.1.0") == [
        f"{path}: a migration comes with a major version, and 1.1.0 is none."
    ]


@pytest.mark.parametrize(
    "name", ["3.0.0_too_new.py", "1.0.0_too_old.py", "rename.py", "2.0.0.py", "README.md"]
)
def test_migration_has_the_version_that_brings_it(repository: Path, name: str) -> None:
    path = f"hooks/migrations/{name}"
    add_migration(repository, path)
    set_version(repository, "2.0.0")
    commit_all(repository)
    assert problems(repository, "2.0.0") == [
        f"{path}: it comes with 2.0.0, so name it 2.0.0_WHAT_IT_DOES.py."
    ]


def test_released_migration_stays(repository: Path) -> None:
    add_migration(repository)
    commit_all(repository)
    git(repository, "tag", "v2.0.0")
    git(repository, "rm", "--quiet", MIGRATION)
    set_version(repository, "3.0.0")
    write(repository, **{"copier.yml": config("[]")})
    commit_all(repository)
    assert problems(repository, "3.0.0") == [f"{MIGRATION} is gone, and older projects need it."]


@pytest.mark.parametrize("names", ["[]", "[2.0.0_rename_key, 2.0.0_other]"])
def test_copier_yml_lists_the_migrations(repository: Path, names: str) -> None:
    add_migration(repository)
    set_version(repository, "2.0.0")
    write(repository, **{"copier.yml": config(names)})
    commit_all(repository)
    assert problems(repository, "2.0.0") == [
        "`migrations` in copier.yml does not list the files of hooks/migrations."
    ]


def test_every_reason_is_said_at_once(repository: Path) -> None:
    git(repository, "switch", "--quiet", "--create", "feature")
    write(repository, **{"CHANGELOG.md": "# Changelog\n"})
    assert len(problems(repository, "1.2.0")) == 4
