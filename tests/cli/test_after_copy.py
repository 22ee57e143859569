"""The hook makes a rendered folder a working repository."""

import json
from pathlib import Path

import pytest

from support.cli import dayone
from support.git import git
from support.tiny import tiny_template

NEEDS_THE_INDEX = {
    "pyproject.toml.jinja": """\
[project]
name = "{{ slug }}"
version = "0.1.0"
requires-python = ">=3.11,<3.14"
dependencies = ["click"]
"""
}
GIT_HOOKS = {
    "pyproject.toml.jinja": """\
[project]
name = "{{ slug }}"
version = "0.1.0"
requires-python = ">=3.11,<3.14"

[dependency-groups]
dev = ["pre-commit"]
""",
    ".pre-commit-config.yaml": "repos: []\n",
    ".gitignore.jinja": ".venv/\n",
}


def test_everything_is_in_the_first_commit(template: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template, "--defaults")
    assert result.code == 0, result.err
    assert git(dest, "status", "--porcelain") == ""
    assert git(dest, "branch", "--show-current") == "main"
    assert "uv.lock" in git(dest, "ls-files").splitlines()


def test_the_first_commit_is_by_the_person(template: Path, dest: Path) -> None:
    dayone("new", dest, "--template", template, "--defaults")
    assert git(dest, "log", "--format=%an <%ae> %s") == "Tester <tester@example.com> Start my-poc"


@pytest.mark.usefixtures("no_identity")
def test_without_identity_the_commit_has_one_of_its_own(template: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template, "--defaults")
    assert result.code == 0, result.err
    assert git(dest, "log", "--format=%an") == "dayone"
    assert "git knows no name" in result.out
    assert "user" not in (dest / ".git" / "config").read_text()


def test_progress_is_on_stderr(template: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template, "--defaults", "--json")
    steps = ["Starting a git repository", "Locking packages", "Making the first commit"]
    assert [step for step in steps if step in result.err] == steps
    assert json.loads(result.out)["hooks"] is True


def test_git_hooks_are_installed(tmp_path: Path, dest: Path) -> None:
    template = tiny_template(tmp_path / "template", GIT_HOOKS)
    result = dayone("new", dest, "--template", template, "--defaults")
    assert result.code == 0, result.err
    assert (dest / ".git" / "hooks" / "pre-commit").exists()
    assert git(dest, "status", "--porcelain") == ""


def test_git_hooks_of_an_outer_repository_are_left_alone(tmp_path: Path) -> None:
    template = tiny_template(tmp_path / "template", GIT_HOOKS)
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    dayone("new", outer / "my-poc", "--template", template, "--defaults")
    assert not (outer / ".git" / "hooks" / "pre-commit").exists()


def test_an_index_out_of_reach_leaves_the_project_and_says_what_to_run(
    tmp_path: Path, dest: Path
) -> None:
    template = tiny_template(tmp_path / "template", NEEDS_THE_INDEX)
    nothing = {"UV_OFFLINE": "1", "UV_CACHE_DIR": str(tmp_path / "cache"), "UV_NO_CONFIG": "1"}
    result = dayone("new", dest, "--template", template, "--defaults", **nothing)
    assert result.code == 1
    assert "Locking packages failed" in result.err
    assert (dest / "README.md").exists()
    rest = result.err.partition("run there:")[2]
    assert " lock\n" in rest
    assert "git commit -m 'Start my-poc'" in rest
    assert rest.rstrip().endswith(" run nox -s demo")


def test_a_hook_that_breaks_is_one_message(own_template: Path, dest: Path) -> None:
    (own_template / "hooks" / "after_copy.py").write_text("raise ValueError('broken hook')\n")
    result = dayone("new", dest, "--template", own_template, "--defaults", "--dev")
    assert result.code == 1
    assert "Error: " in result.err
    assert "broken hook" in result.err


def test_the_hook_is_that_of_the_chosen_version(own_template: Path, dest: Path) -> None:
    git(own_template, "tag", "v1.0.0")
    (own_template / "hooks" / "after_copy.py").write_text("raise SystemExit(1)\n")
    git(own_template, "commit", "--quiet", "--all", "--message", "Break the hook")
    result = dayone("new", dest, "--template", own_template, "--defaults", "--vcs-ref", "v1.0.0")
    assert result.code == 0, result.err


def test_no_hooks_runs_none(own_template: Path, dest: Path) -> None:
    (own_template / "hooks" / "after_copy.py").write_text("raise SystemExit(1)\n")
    result = dayone("new", dest, "--template", own_template, "--defaults", "--dev", "--no-hooks")
    assert result.code == 0, result.err
    assert not (dest / ".git").exists()


def test_run_passes_the_demo_through(template_with_commands: Path, dest: Path) -> None:
    result = dayone("new", dest, "--template", template_with_commands, "--defaults", "--run")
    assert result.code == 3
    assert "demo: -s demo" in result.out


def test_run_with_json_keeps_stdout_clean(template_with_commands: Path, dest: Path) -> None:
    arguments = ["--defaults", "--run", "--json"]
    result = dayone("new", dest, "--template", template_with_commands, *arguments)
    assert json.loads(result.out)["dest"] == str(dest)
    assert "demo: -s demo" in result.err
