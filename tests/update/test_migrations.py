"""A version that needs a migration: a fresh copy has it behind it, a plain update has to run it.

The template is a small one with the real questions and the real check of the emitted project.
"""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from copier import Settings, run_copy

from dayone import migrations
from dayone.project import git as git_output
from dayone.template import Template
from support import ROOT
from support.git import commit_all, git
from support.tiny import tiny_template

CHECK = "tools/leftovers.py"
NAME = "2.0.0_rename_key"
MIGRATION = """\
import pathlib
import sys

params = pathlib.Path(sys.argv[1], "params.yaml")
params.write_text(params.read_text().replace("old_key:", "new_key:"))
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v1.0.0 reads one key of a file that is yours, v2.0.0 another."""
    check = (ROOT / f"template/{CHECK}.jinja").read_text(encoding="utf-8")
    files = {f"{CHECK}.jinja": check, "params.yaml": "old_key: 1\n"}
    folder = tiny_template(tmp_path_factory.mktemp("migrations") / "template", files)
    git(folder, "tag", "v1.0.0")
    config = folder / "copier.yml"
    text = config.read_text(encoding="utf-8")
    needed = text.replace(
        "migrations: {type: yaml, default: []", f"migrations: {{type: yaml, default: [{NAME}]"
    )
    assert needed != text
    config.write_text(needed, encoding="utf-8")
    (folder / "template/params.yaml").write_text("new_key: 1\n")
    (folder / "hooks/migrations").mkdir()
    (folder / f"hooks/migrations/{NAME}.py").write_text(MIGRATION)
    commit_all(folder)
    git(folder, "tag", "v2.0.0")
    return folder


def copy(template: Path, version: str, folder: Path) -> Path:
    run_copy(
        str(template), folder, data={"project_name": "My PoC"}, vcs_ref=version, defaults=True,
        quiet=True, settings=Settings(),
    )  # fmt: skip
    commit_all(folder)
    return folder


@pytest.fixture
def updated(template: Path, tmp_path: Path) -> Path:
    """A project of v1.0.0, whose params.yaml was edited, after Renovate's `copier update`."""
    project = copy(template, "v1.0.0", tmp_path / "project")
    (project / "params.yaml").write_text("old_key: 7\n")
    commit_all(project)
    command = (
        "update --skip-answered --defaults --answers-file .copier-answers.yml --vcs-ref v2.0.0"
    )
    subprocess.run(
        [sys.executable, "-m", "copier", *command.split()],
        cwd=project,
        capture_output=True,
        check=True,
    )
    commit_all(project)
    return project


def leftovers(project: Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, CHECK], cwd=project, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stderr.strip()


def record(project: Path) -> list[str]:
    answers = yaml.safe_load((project / ".copier-answers.yml").read_text(encoding="utf-8"))
    return list(answers["migrated"])


def at(template: Path, version: str) -> Template:
    commit = git_output("rev-parse", f"{version}^{{commit}}", cwd=template)
    return Template(template, commit, str(template))


def migrate(template: Path, project: Path) -> list[str]:
    """What `dayone update` does with migrations."""
    found = migrations.pending(at(template, "v2.0.0"), project)
    for migration in found:
        migrations.run(migration, project, {"from": "1.0.0", "to": "2.0.0"}, lambda event: None)
        migrations.record(project, migration)
    return [migration.name for migration in found]


def test_version_without_migrations_speaks_of_none(template: Path, tmp_path: Path) -> None:
    project = copy(template, "v1.0.0", tmp_path / "project")
    assert record(project) == []
    assert "igration" not in (project / CHECK).read_text(encoding="utf-8")
    assert migrations.pending(at(template, "v1.0.0"), project) == []
    assert leftovers(project) == (0, "")


def test_fresh_copy_has_them_behind_it(template: Path, tmp_path: Path) -> None:
    project = copy(template, "v2.0.0", tmp_path / "project")
    assert record(project) == [NAME]
    assert migrations.pending(at(template, "v2.0.0"), project) == []
    assert leftovers(project) == (0, "")


def test_plain_update_fails_the_check_until_the_migration_has_run(
    template: Path, updated: Path
) -> None:
    assert record(updated) == []
    message = f"Migration {NAME} has not run: `dayone update` runs it."
    assert leftovers(updated) == (1, message)
    assert migrate(template, updated) == [NAME]
    assert (updated / "params.yaml").read_text() == "new_key: 7\n"
    assert leftovers(updated) == (0, "")


def test_recopy_does_not_take_the_migration_for_done(template: Path, tmp_path: Path) -> None:
    project = copy(template, "v1.0.0", tmp_path / "project")
    subprocess.run(
        [sys.executable, "-m", "copier", "recopy", "--defaults", "--overwrite", "-r", "v2.0.0"],
        cwd=project,
        capture_output=True,
        check=True,
    )
    assert record(project) == []
    assert leftovers(project)[0] == 1


def test_twice_is_as_once(template: Path, updated: Path) -> None:
    migrate(template, updated)
    commit_all(updated)
    assert migrate(template, updated) == []
    (migration,) = migrations.pending(
        at(template, "v2.0.0"), copy(template, "v1.0.0", updated.parent / "other")
    )
    migrations.run(migration, updated, {"from": "1.0.0", "to": "2.0.0"}, lambda event: None)
    migrations.record(updated, migration)
    assert git(updated, "status", "--porcelain") == ""


def test_migrated_project_has_the_answers_file_of_a_fresh_copy(
    template: Path, updated: Path, tmp_path: Path
) -> None:
    migrate(template, updated)
    fresh = copy(template, "v2.0.0", tmp_path / "fresh")
    name = ".copier-answers.yml"
    assert (updated / name).read_bytes() == (fresh / name).read_bytes()


def test_emitted_check_is_formatted_with_migrations_too(template: Path, tmp_path: Path) -> None:
    project = copy(template, "v2.0.0", tmp_path / "project")
    for command in (["check", "--select", "E,F,I,PTH,RUF,UP"], ["format", "--check"]):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "--line-length=100", CHECK],
            cwd=project,
            check=True,
        )
