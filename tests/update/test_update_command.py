"""`dayone update`: one commit, with what the template's hook does around it."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.cli import Result, dayone, talk
from support.git import git
from support.world import ANSWERS, World, new_world, state, write

LINES = "".join(f"line {n}\n" for n in range(30))
# A project whose checks are its own command, which uv builds without the package index.
PROJECT = {
    "pyproject.toml.jinja": """\
[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[project]
name = "{{ slug }}"
version = "0.1.0"
requires-python = ">=3.11,<3.14"

[project.scripts]
nox = "{{ package }}:nox"
""",
    "src/{{ package }}/__init__.py": '''\
import pathlib
import sys


def nox():
    """Fail the session that the file `fails` names."""
    fails = pathlib.Path("fails")
    if fails.exists() and fails.read_text().strip() == sys.argv[-1]:
        sys.exit(f"{sys.argv[-1]} found something")
''',
    ".gitignore.jinja": ".venv/\n__pycache__/\n",
    "lines.txt": LINES,
}
NEXT = {
    "pyproject.toml.jinja": PROJECT["pyproject.toml.jinja"].replace("0.1.0", "0.2.0"),
    "lines.txt": LINES.replace("line 3\n", "line three\n"),
}
MIGRATION = """\
import json, pathlib, sys
settings = json.load(sys.stdin)
pathlib.Path(sys.argv[1], "migrated.txt").write_text(f"{settings['from']} to {settings['to']}\\n")
print(json.dumps({"event": "note", "text": "tidied"}))
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = new_world(tmp_path, PROJECT)
    world.release("v1.1.0", NEXT)
    return world


@pytest.fixture
def locked(world: World) -> World:
    """A project with uv.lock."""
    uv_lock(world.project)
    world.edit({})
    return world


def uv_lock(project: Path) -> None:
    import subprocess

    from uv import find_uv_bin

    subprocess.run([find_uv_bin(), "lock", "--quiet"], cwd=project, check=True)


def update(world: World, *arguments: str | Path, **env: str) -> Result:
    return dayone("update", world.project, "--defaults", *arguments, **env)


def updated(world: World, *arguments: str, code: int = 0) -> dict[str, Any]:
    result = update(world, "--json", *arguments)
    assert result.code == code, result.err
    return json.loads(result.out)


def migrate(world: World, code: str) -> None:
    write(world.template, {"hooks/migrations/2.0.0_tidy.py": code})
    copier = world.template / "copier.yml"
    needed = copier.read_text().replace(
        "migrations: {type: yaml, default: []", "migrations: {type: yaml, default: [2.0.0_tidy]"
    )
    copier.write_text(needed)
    world.release("v2.0.0", {})


def test_it_is_one_commit_on_the_branch(world: World) -> None:
    report = updated(world, "--no-hooks")
    assert report["result"] == "updated"
    assert git(world.project, "rev-parse", "main") == report["commit"]
    assert git(world.project, "log", "--format=%s").splitlines() == [
        "Update from template v1.0.0 to v1.1.0",
        "Start",
    ]
    assert git(world.project, "status", "--porcelain") == ""
    assert (world.project / "lines.txt").read_text() == NEXT["lines.txt"]


def test_the_message_tells_versions_answers_and_files(world: World) -> None:
    world.edit({"README.md": "# Mine\n"})
    updated(world, "--no-hooks", "-d", "owner=New team")
    message = git(world.project, "log", "-1", "--format=%B").splitlines()
    assert message[0] == "Update from template v1.0.0 to v1.1.0"
    assert "owner: Data team → New team" in message
    assert "~ lines.txt  [template]" in message


def test_an_answer_alone_can_be_changed(world: World) -> None:
    updated(world, "--no-hooks", "-d", "owner=New team", "-r", ":current:")
    assert git(world.project, "log", "-1", "--format=%s") == "Answer owner anew"
    assert "_commit: v1.0.0" in (world.project / ANSWERS).read_text()


def test_a_second_update_does_nothing(world: World) -> None:
    updated(world, "--no-hooks")
    before = state(world.project)
    assert updated(world, "--no-hooks")["result"] == "nothing"
    assert state(world.project) == before


def test_the_lock_is_in_the_same_commit(locked: World) -> None:
    updated(locked)
    assert "uv.lock" in git(locked.project, "show", "--name-only", "--format=").splitlines()
    assert 'version = "0.2.0"' in (locked.project / "uv.lock").read_text()
    assert git(locked.project, "status", "--porcelain") == ""


def test_without_the_index_the_lock_stays_and_the_update_goes_on(locked: World) -> None:
    needs = NEXT["pyproject.toml.jinja"].replace(
        '">=3.11,<3.14"\n', '">=3.11,<3.14"\ndependencies = ["no-such-package-at-all"]\n'
    )
    locked.release("v1.2.0", {"pyproject.toml.jinja": needs})
    before = (locked.project / "uv.lock").read_text()
    result = update(locked, UV_OFFLINE="1")
    assert result.code == 0, result.err
    assert "uv.lock is as it was" in result.err
    assert (locked.project / "uv.lock").read_text() == before


def test_the_projects_checks_are_run_and_reported(locked: World) -> None:
    result = update(locked)
    assert result.code == 0, result.err
    assert "nox -s lint: passed" in result.out
    assert "nox -s types: passed" in result.out


def test_without_a_lock_no_check_is_run_and_none_is_made(world: World) -> None:
    result = update(world)
    assert "The checks need uv.lock" in result.err
    assert git(world.project, "status", "--porcelain") == ""


def test_a_check_that_fails_is_a_finding(locked: World) -> None:
    locked.edit({"fails": "types\n"})
    report = updated(locked, code=3)
    assert report["result"] == "updated"
    assert [(check["name"], check["passed"]) for check in report["checks"]] == [
        ("lint", True),
        ("types", False),
    ]
    assert "types found something" in report["checks"][1]["output"]
    assert "git revert" in update_text(locked)


def update_text(world: World) -> str:
    git(world.project, "reset", "--quiet", "--hard", "HEAD~1")
    return update(world).out


def test_no_hooks_runs_nothing(locked: World) -> None:
    report = updated(locked, "--no-hooks")
    assert report["checks"] == []
    assert 'version = "0.1.0"' in (locked.project / "uv.lock").read_text()
    assert not (locked.project / ".venv").exists()


def test_a_migration_is_part_of_the_commit_and_recorded(world: World) -> None:
    migrate(world, MIGRATION)
    report = updated(world)
    assert report["migrations"] == ["2.0.0_tidy"]
    assert (world.project / "migrated.txt").read_text() == "v1.0.0 to v2.0.0\n"
    assert "migrated:\n- 2.0.0_tidy\n" in (world.project / ANSWERS).read_text()
    assert git(world.project, "status", "--porcelain") == ""
    assert updated(world)["result"] == "nothing"


def test_a_migration_that_was_left_out_is_made_up_for(world: World) -> None:
    migrate(world, MIGRATION)
    report = updated(world, "--no-hooks")
    assert "Migration 2.0.0_tidy waits: dayone update --hooks runs it." in report["notes"]
    assert not (world.project / "migrated.txt").exists()
    assert updated(world, "--no-hooks")["result"] == "nothing"
    report = updated(world)
    assert report["result"] == "updated"
    assert (world.project / "migrated.txt").exists()


def test_a_migration_that_fails_leaves_everything_as_it_was(world: World) -> None:
    migrate(world, MIGRATION + "sys.exit('no such key')\n")
    before = state(world.project)
    result = update(world)
    assert result.code == 1
    assert "migration 2.0.0_tidy failed: no such key" in result.err
    assert state(world.project) == before


def test_a_hook_that_fails_leaves_everything_as_it_was(world: World) -> None:
    write(world.template, {"hooks/after_update.py": "raise SystemExit('broken')\n"})
    world.release("v1.2.0", {})
    before = state(world.project)
    result = update(world)
    assert result.code == 1
    assert "The template's hook failed: broken" in result.err
    assert state(world.project) == before


def test_a_conflict_is_left_on_a_branch_with_three_way_markers(world: World) -> None:
    world.edit({"lines.txt": LINES.replace("line 3\n", "mine\n")})
    before = state(world.project)
    report = updated(world, code=3)
    assert report["result"] == "conflicts"
    assert report["conflicts"] == [
        {"path": "lines.txt", "why": "both sides changed the same lines"}
    ]
    assert "line 2\n" + CONFLICT + "line 4\n" in git(
        world.project, "show", "dayone/update-v1.1.0:lines.txt"
    )
    git(world.project, "branch", "-D", "dayone/update-v1.1.0")
    assert state(world.project) == before


CONFLICT = """\
<<<<<<< yours
mine
||||||| template-v1.0.0
line 3
=======
line three
>>>>>>> template-v1.1.0
"""


def test_the_printed_steps_resolve_a_conflict(world: World) -> None:
    world.edit({"lines.txt": LINES.replace("line 3\n", "mine\n")})
    steps = [line.strip() for line in update(world).out.partition("Next:")[2].splitlines()]
    switch, look, amend, merge = steps[1:5]
    git(world.project, *words(switch))
    assert "lines.txt:4: leftover conflict marker" in failing(world.project, look)
    write(world.project, {"lines.txt": LINES.replace("line 3\n", "mine, and three\n")})
    git(world.project, *words(amend))
    for step in merge.split(" && "):
        git(world.project, *words(step))
    assert git(world.project, "branch", "--format=%(refname:short)") == "main"
    assert git(world.project, "branch", "--show-current") == "main"
    assert "mine, and three" in (world.project / "lines.txt").read_text()
    assert updated(world, "--no-hooks")["result"] == "nothing"


def words(command: str) -> list[str]:
    return command.partition("#")[0].split()[1:]


def failing(project: Path, command: str) -> str:
    import subprocess

    return subprocess.run(
        ["git", *words(command)], cwd=project, capture_output=True, text=True, check=False
    ).stdout


def test_a_new_question_is_asked_and_no_other(world: World) -> None:
    copier = world.template / "copier.yml"
    copier.write_text(copier.read_text() + "\nregion: {type: str, default: here}\n")
    world.release("v1.2.0", {})
    result = talk(["update", world.project, "--no-hooks"], keys=[("region", "\b\b\b\bthere\r")])
    assert result.code == 0, result.out
    assert "What people call the project" not in result.out
    assert "region: there" in (world.project / ANSWERS).read_text()


def test_hooks_wait_for_consent(locked: World) -> None:
    result = talk(["update", locked.project], keys=[("Run what the template brings", "n")])
    assert result.code == 0, result.out
    assert 'version = "0.1.0"' in (locked.project / "uv.lock").read_text()


def test_open_questions_without_a_terminal(world: World) -> None:
    copier = world.template / "copier.yml"
    copier.write_text(copier.read_text() + "\nregion: {type: str, default: here}\n")
    world.release("v1.2.0", {})
    result = dayone("update", world.project, "--no-hooks")
    assert result.code == 2
    assert "no terminal to ask them on" in result.err
