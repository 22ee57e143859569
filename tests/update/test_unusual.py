"""Projects, files and settings of git that are rare: an edit in them is as safe as any other."""

import json
import subprocess
from pathlib import Path

import pytest

from support.cli import dayone
from support.git import commit_all, git
from support.world import ANSWERS, World, new_world, write

LINES = "".join(f"line {n}\n" for n in range(30))
THREE = LINES.replace("line 3\n", "line three\n")
MINE = LINES.replace("line 3\n", "mine\n")
BINARY = "\0\1\2 {} \0"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """v1.1.0 changes lines.txt and picture.bin; v2.0.0 renames one file and removes another."""
    files = {"lines.txt": LINES, "old.txt": LINES.upper(), "gone.txt": "gone\n" * 9}
    world = new_world(tmp_path, {**files, "picture.bin": BINARY.format("one")})
    world.release("v1.1.0", {"lines.txt": THREE, "picture.bin": BINARY.format("two")})
    world.release("v2.0.0", {"new.txt": LINES.upper()}, "old.txt", "gone.txt")
    return world


@pytest.mark.parametrize("bit", ["--skip-worktree", "--assume-unchanged"])
def test_an_edit_that_git_was_told_to_overlook(world: World, bit: str) -> None:
    git(world.project, "update-index", bit, "lines.txt")
    write(world.project, {"lines.txt": MINE})
    result = world.update()
    assert result.code == 1
    assert "lines.txt changed while the update was made" in result.err
    assert (world.project / "lines.txt").read_text() == MINE


def test_a_file_that_is_not_checked_out(world: World) -> None:
    git(world.project, "update-index", "--skip-worktree", "lines.txt")
    (world.project / "lines.txt").unlink()
    result = world.update()
    assert result.code == 1
    assert "lines.txt: git tracks it, but it is not checked out" in result.err


def test_names_with_spaces_and_line_ends_at_their_edges(world: World) -> None:
    names = [" a.txt", "a.txt", "b.txt ", "c\r", "c\n", "-d", "*", ":e"]
    world.edit(dict.fromkeys(names, "mine\n"))
    assert world.update("-r", "v1.1.0").code == 0
    listed = ["git", "ls-tree", "-z", "--name-only", "HEAD"]
    tracked = subprocess.run(listed, cwd=world.project, capture_output=True, check=True).stdout
    assert set(names) <= set(tracked.decode().split("\0"))
    assert all((world.project / name).read_text() == "mine\n" for name in names)


def test_a_file_of_ones_own_where_the_template_renames_one_to(world: World) -> None:
    world.edit({"new.txt": "mine\n"})
    plan = json.loads(world.plan("--json").out)
    assert [risk["path"] for risk in plan["at_risk"]] == ["new.txt"]


def test_nothing_is_written_through_a_link_that_git_ignores(world: World, tmp_path: Path) -> None:
    world.release("v2.1.0", {"assets/info.md": "info\n"})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    world.edit({".gitignore": "assets\n"})
    (world.project / "assets").symlink_to(elsewhere)
    result = world.update()
    assert result.code == 1
    assert "assets lies there, and git does not track it" in result.err
    assert list(elsewhere.iterdir()) == []


def test_line_ends_that_git_converts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """core.autocrlf concerns the project's files, and nothing that is compared with them."""
    for name, value in (("COUNT", "1"), ("KEY_0", "core.autocrlf"), ("VALUE_0", "true")):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    world = new_world(tmp_path, {"lines.txt": LINES})
    world.release("v1.1.0", {"lines.txt": THREE})
    assert b"\r" not in (world.project / "README.md").read_bytes()
    assert b"\r" not in (world.project / "lines.txt").read_bytes()
    assert dayone("drift", world.project).code == 0
    world.edit({"lines.txt": LINES + "mine\n"})
    assert world.update().code == 0
    assert (world.project / "lines.txt").read_text() == THREE + "mine\n"
    assert git(world.project, "status", "--porcelain") == ""


def test_attributes_of_a_person_do_not_settle_conflicts(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"attributes": "* merge=union\n"})
    for name, value in (
        *(("COUNT", "1"), ("KEY_0", "core.attributesFile")),
        ("VALUE_0", str(tmp_path / "attributes")),
    ):
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    world.edit({"lines.txt": MINE})
    assert world.update("-r", "v1.1.0").code == 3


def test_resolving_in_a_larger_repository_takes_the_project_alone(
    world: World, tmp_path: Path
) -> None:
    mono = tmp_path / "mono"
    (mono / "team").mkdir(parents=True)
    inside = world.project.rename(mono / "team/my-poc")
    (inside / ".git").rename(tmp_path / "git-of-the-project")
    write(inside, {"lines.txt": MINE})
    write(mono, {"other.txt": "other\n"})
    commit_all(mono)
    write(mono, {"other.txt": "not committed\n"})
    git(mono, "add", "other.txt")
    result = world._replace(project=inside).update("-r", "v1.1.0")
    assert result.code == 3, result.err
    assert "git commit --amend --no-edit --only -- team/my-poc/" in result.out


def test_a_conflict_without_markers_says_how_to_take_the_other_side(world: World) -> None:
    world.edit({"gone.txt": "gone\n" * 9 + "mine\n", "picture.bin": BINARY.format("mine")})
    out = world.update().out
    assert "gone.txt: you changed it, the template has it no more (it stays; to let it go" in out
    command = out.partition("Conflicts:")[2].partition("for the template's: ")[2].split(" > ")[0]
    taken = git(world.project, *command.split()[1:])
    assert taken == BINARY.format("two").strip()


def test_a_merged_branch_of_an_earlier_conflict_is_no_obstacle(world: World) -> None:
    git(world.project, "branch", "dayone/update-v1.1.0")
    world.edit({"lines.txt": MINE})
    assert world.update("-r", "v1.1.0").code == 3


def test_a_floating_tag_is_not_what_is_recorded(world: World) -> None:
    git(world.template, "tag", "latest", "v1.1.0")
    assert world.update("-r", "latest").code == 0
    assert "_commit: v1.1.0\n" in (world.project / ANSWERS).read_text()


def test_a_floating_tag_without_a_release_may_move(world: World) -> None:
    world.release("stable", {"stable.txt": "s\n"})
    assert world.update("-r", "stable").code == 0
    world.release("v2.1.0", {"later.txt": "l\n"})
    git(world.template, "tag", "--force", "stable", "v2.1.0")
    assert world.update().code == 0
    assert (world.project / "later.txt").exists()


def test_a_question_without_default_says_how_to_answer_it(world: World) -> None:
    copier = world.template / "copier.yml"
    copier.write_text(copier.read_text() + "\nbudget: {type: int}\n")
    world.release("v2.1.0", {})
    result = world.plan()
    assert result.code == 2
    assert "budget has no default. Answer it: -d budget=VALUE" in result.err


def test_an_empty_version(world: World) -> None:
    assert "--vcs-ref is empty" in world.plan("-r", "").err


def test_the_patch_applies_whatever_is_in_it(world: World) -> None:
    world.edit({".gitattributes": "*.txt -text\n"})
    patch = world.project.with_name("plan.patch")
    result = world.plan("--diff")
    patch.write_text("diff --git" + result.out.partition("diff --git")[2])
    git(world.project, "apply", "--check", str(patch))
    assert "GIT binary patch" in result.out


def test_a_folder_of_the_template_becomes_a_file(world: World) -> None:
    world.release("v2.1.0", {"job/a.sh": "a\n"})
    assert world.update().code == 0
    world.release("v3.0.0", {}, "job/a.sh")
    (world.template / "template/job").rmdir()
    world.release("v3.0.1", {"job": "one file\n"})
    write(world.project, {".git/info/exclude": "*.log\n", "job/mine.log": "mine\n"})
    assert "job/mine.log lies there" in world.update().err
    (world.project / "job/mine.log").unlink()
    assert world.update().code == 0
    assert (world.project / "job").read_text() == "one file\n"
