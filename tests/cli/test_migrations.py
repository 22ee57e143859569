"""Migrations are found by version, run on a project's files, and remembered by the project."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from copier import Settings, run_copy

from dayone import migrations
from dayone.errors import DayoneError
from dayone.migrations import Migration
from dayone.template import Template
from support import ROOT
from support.cli import dayone
from support.git import commit_all
from support.tiny import tiny_template

ANSWERS = "# Never by hand.\n_commit: v1.0.0\nmigrated: []\nowner: Data team\n"
# Renames a key once; a second run finds nothing to rename.
RENAME = """\
import json
import pathlib
import sys

settings = json.load(sys.stdin)
params = pathlib.Path(sys.argv[1], "params.yaml")
print(json.dumps({"event": "doing", "text": f"Renaming a key for {settings['to']}"}), flush=True)
params.write_text(params.read_text().replace("old_key:", "new_key:"))
"""


def project(folder: Path, answers: str = ANSWERS) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / ".copier-answers.yml").write_text(answers)
    (folder / "params.yaml").write_text("old_key: 1\n")
    return folder


def template(folder: Path, *files: str) -> Template:
    """A repository with these files in hooks/migrations."""
    (folder / "hooks/migrations").mkdir(parents=True)
    (folder / "copier.yml").write_text("")
    for file in files:
        (folder / "hooks/migrations" / file).write_text(f"# {file}\n")
    return Template(folder, commit_all(folder), str(folder))


def run(code: str, folder: Path) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    migrations.run(Migration("2.0.0_rename_key", code), folder, {"to": "2.0.0"}, events.append)
    return events


def test_template_without_the_folder_asks_for_nothing(tmp_path: Path) -> None:
    assert migrations.pending(template(tmp_path / "template"), project(tmp_path / "p")) == []


def test_migrations_come_by_version_and_then_by_name(tmp_path: Path) -> None:
    files = ["10.0.0_a.py", "2.0.0_b.py", "2.0.0_a.py", "3.0.0_z.py"]
    found = migrations.pending(template(tmp_path / "template", *files), project(tmp_path / "p"))
    assert [one.name for one in found] == ["2.0.0_a", "2.0.0_b", "3.0.0_z", "10.0.0_a"]
    assert found[0].code == "# 2.0.0_a.py\n"


def test_what_is_recorded_is_not_pending(tmp_path: Path) -> None:
    answers = ANSWERS.replace("[]", "[2.0.0_a]")
    found = migrations.pending(
        template(tmp_path / "template", "2.0.0_a.py", "2.0.0_b.py"),
        project(tmp_path / "p", answers),
    )
    assert [one.name for one in found] == ["2.0.0_b"]


def test_project_without_a_record_has_run_nothing(tmp_path: Path) -> None:
    answers = ANSWERS.replace("migrated: []\n", "")
    needed = template(tmp_path / "template", "2.0.0_a.py")
    folder = project(tmp_path / "p", answers)
    (found,) = migrations.pending(needed, folder)
    migrations.record(folder, found)
    assert migrations.pending(needed, folder) == []


def test_later_commits_of_the_template_do_not_count(tmp_path: Path) -> None:
    first = template(tmp_path / "template")
    (first.repository / "hooks/migrations").mkdir(exist_ok=True)
    (first.repository / "hooks/migrations/2.0.0_a.py").write_text("")
    commit_all(first.repository)
    assert migrations.pending(first, project(tmp_path / "p")) == []


@pytest.mark.parametrize("file", ["rename.py", "2.0_rename.py", "2.0.0.py", "2.0.0_rename.sh"])
def test_file_that_names_no_version_is_refused(tmp_path: Path, file: str) -> None:
    with pytest.raises(DayoneError, match=f"has hooks/migrations/{file}, which names no version"):
        migrations.pending(template(tmp_path / "template", file), project(tmp_path / "p"))


@pytest.mark.parametrize("record", ["yes", "[rename]", "[1]", "{a: b}"])
def test_record_that_was_edited_by_hand_is_refused(tmp_path: Path, record: str) -> None:
    folder = project(tmp_path / "p", ANSWERS.replace("[]", record))
    with pytest.raises(DayoneError, match=r"edited by hand: migrated must be a list"):
        migrations.pending(template(tmp_path / "template"), folder)


def test_migration_changes_the_project_and_reports(tmp_path: Path) -> None:
    folder = project(tmp_path / "p")
    assert run(RENAME, folder) == [{"event": "doing", "text": "Renaming a key for 2.0.0"}]
    once = (folder / "params.yaml").read_text()
    assert once == "new_key: 1\n"
    run(RENAME, folder)
    assert (folder / "params.yaml").read_text() == once


def event(**fields: Any) -> str:
    return f"print({json.dumps(json.dumps(fields))}, flush=True)\n"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("raise ValueError('no such key')", "failed: ValueError: no such key"),
        ("import sys; sys.exit(3)", "failed: no reason given"),
        (event(event="failed", text="No key.") + "raise SystemExit(1)", "failed: No key."),
        (event(event="refused", text="No key.") + "raise SystemExit(3)", "failed: No key."),
        ("print('done')", "prints what is no event: done"),
        ("print(1)", "prints what is no event: 1"),
        ("print('{}')", "prints what is no event: {}"),
        ("this is no Python", "failed: SyntaxError: invalid syntax"),
    ],
)
def test_whatever_fails_is_one_error(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(DayoneError) as caught:
        run(code, project(tmp_path / "p"))
    assert str(caught.value) == f"The template's migration 2.0.0_rename_key {message}"
    assert type(caught.value) is DayoneError
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_record_changes_its_own_lines_only(tmp_path: Path, end: str) -> None:
    folder = project(tmp_path / "p")
    answers = folder / ".copier-answers.yml"
    answers.write_bytes(ANSWERS.replace("\n", end).encode())
    for name in ("10.0.0_a", "2.0.0_b", "2.0.0_b"):
        migrations.record(folder, Migration(name, ""))
    assert answers.read_bytes().decode() == ANSWERS.replace("\n", end).replace(
        "migrated: []", f"migrated:{end}- 2.0.0_b{end}- 10.0.0_a"
    )


def test_record_equals_that_of_a_fresh_copy(tmp_path: Path) -> None:
    """As Copier writes it, so that an updated project has the bytes of a new one."""
    source = tiny_template(tmp_path / "template")
    config = source / "copier.yml"
    config.write_text(config.read_text().replace("default: []", "default: [2.0.0_a, 10.0.0_b]"))
    commit_all(source)
    fresh = tmp_path / "p"
    run_copy(str(source), fresh, defaults=True, quiet=True, settings=Settings())
    text = (fresh / ".copier-answers.yml").read_text()
    assert yaml.safe_load(text)["migrated"] == ["2.0.0_a", "10.0.0_b"]
    (fresh / ".copier-answers.yml").write_text(
        text.replace("migrated:\n- 2.0.0_a\n- 10.0.0_b\n", "migrated: []\n")
    )
    for name in ("2.0.0_a", "10.0.0_b"):
        migrations.record(fresh, Migration(name, ""))
    assert (fresh / ".copier-answers.yml").read_text() == text


def test_answers_of_another_project_do_not_bring_its_record(
    own_template: Path, dest: Path, tmp_path: Path
) -> None:
    """The record is no answer that anybody gives: a new project begins with all that there is."""
    other = tmp_path / "answers.yml"
    other.write_text("project_name: Other\nmigrated: [1.0.0_never_heard_of]\n")
    made = dayone(
        "new", dest, "--template", own_template, "--data-file", other, "--defaults", "--no-hooks",
        "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert "migrated" not in json.loads(made.out)["answers"]
    answers = yaml.safe_load((dest / ".copier-answers.yml").read_text())
    assert (answers["project_name"], answers["migrated"]) == ("Other", [])
    refused = dayone("new", tmp_path / "x", "--template", own_template, "-d", "migrated=[]")
    assert refused.code == 2
    assert "There is no question migrated" in refused.err


def test_copier_yml_names_the_migrations_of_the_folder() -> None:
    files = (ROOT / "hooks/migrations").glob("*")
    names = [file.stem for file in files if file.name != "__pycache__"]
    config = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert sorted(config["migrations"]["default"]) == sorted(names)
