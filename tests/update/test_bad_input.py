"""What cannot be updated: one message that says why and what to do, and nothing changed."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from support.cli import dayone
from support.git import commit_all, git
from support.tiny import tiny_template
from support.world import ANSWERS, World, new_world, state, write


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A template with two releases, and a committed project of the first."""
    world = new_world(tmp_path)
    world.release("v1.1.0", {"README.md.jinja": "# {{ project_name }}\n\nNew.\n", "new.txt": "n\n"})
    return world


def refused(world: World, *arguments: str | Path, code: int = 1, **env: str) -> str:
    """The one message of an update that changes nothing."""
    before = state(world.project)
    result = world.update(*arguments, **env)
    assert result.code == code, result.err
    assert state(world.project) == before
    assert result.err.count("Error: ") == 1
    return result.err.partition("Error: ")[2]


def edit_answers(project: Path, pattern: str, new: str) -> None:
    path = project / ANSWERS
    text, count = re.subn(pattern, new, path.read_text(), flags=re.MULTILINE)
    assert count, path.read_text()
    path.write_text(text)
    commit_all(project, "Edited by hand")


def test_a_folder_that_is_no_project(world: World, tmp_path: Path) -> None:
    result = dayone("update", tmp_path)
    assert result.code == 1
    assert f"{tmp_path} is not a project: there is no {ANSWERS}" in result.err


def test_a_path_that_is_no_folder(world: World) -> None:
    result = dayone("update", world.project / "README.md")
    assert "is not a folder" in result.err


def test_a_folder_in_the_project_stands_for_it(world: World) -> None:
    assert dayone("plan", world.project / "src", "--json").code == 0


def test_a_project_without_git(world: World) -> None:
    shutil.rmtree(world.project / ".git")
    result = world.update()
    assert result.code == 1
    assert "is not in a git repository" in result.err


def test_a_repository_without_a_commit(world: World) -> None:
    shutil.rmtree(world.project / ".git")
    git(world.project, "init", "--quiet")
    result = world.update()
    assert result.code == 1
    assert "has no commit yet" in result.err


def test_answers_that_are_not_yaml(world: World) -> None:
    edit_answers(world.project, "^owner:.*", "owner: [")
    assert "is not YAML" in refused(world)


@pytest.mark.parametrize("key", ["_commit", "_src_path"])
def test_answers_without_the_version_or_the_source(world: World, key: str) -> None:
    edit_answers(world.project, f"^{key}:.*\n", "")
    assert f"edited by hand: it has no {key}" in refused(world)


@pytest.mark.parametrize(
    ("pattern", "new", "key"),
    [
        ("^python_version:.*", "python_version: '2.7'", "python_version"),
        ("^owner:.*", "owner: 7", "owner"),
        ("^owner:.*", "owner: [me]", "owner"),
        ("^owner:.*\n", "", "owner"),
        ("^owner:", "favourite: tea\nowner:", "favourite"),
    ],
    ids=["no such choice", "another type", "a list", "missing", "no such question"],
)
def test_an_answer_that_was_edited_by_hand_is_named(
    world: World, pattern: str, new: str, key: str
) -> None:
    edit_answers(world.project, pattern, new)
    message = refused(world)
    assert f"was edited by hand: {key}" in message
    assert "dayone update -d NAME=VALUE" in message


def test_a_source_that_is_gone(world: World) -> None:
    moved = world.template.rename(world.template.with_name("elsewhere"))
    message = refused(world)
    assert f"was at {world.template}, and is not there any more" in message
    assert "--template" in message
    assert world.update("--template", moved).code == 0


def test_a_source_that_cannot_be_reached(world: World) -> None:
    edit_answers(world.project, "^_src_path:.*", "_src_path: http://127.0.0.1:9/nothing.git")
    message = refused(world)
    assert "The template http://127.0.0.1:9/nothing.git cannot be read" in message
    assert "--template" in message


def test_a_new_source_is_recorded_in_a_commit_of_its_own(world: World) -> None:
    moved = world.template.rename(world.template.with_name("elsewhere"))
    assert world.update("--template", moved).code == 0
    subjects = git(world.project, "log", "--format=%s").splitlines()
    assert subjects == ["Update from template v1.0.0 to v1.1.0", "Template moved", "Start"]
    assert git(world.project, "diff", "--name-only", "HEAD~2", "HEAD~1") == ANSWERS
    assert f"_src_path: {moved}" in (world.project / ANSWERS).read_text()


def test_a_new_source_without_a_new_version_is_one_commit(world: World) -> None:
    world.update()
    moved = world.template.rename(world.template.with_name("elsewhere"))
    assert world.update("--template", moved).code == 0
    assert git(world.project, "log", "-1", "--format=%s") == "Template moved"
    assert world.update().code == 0


def test_another_template_is_not_the_moved_one(world: World, tmp_path: Path) -> None:
    other = tiny_template(tmp_path / "other", {"other.txt": "o\n"})
    assert "v1.0.0, which is not in" in refused(world, "--template", other)


def test_a_version_that_the_source_has_lost(world: World) -> None:
    git(world.template, "tag", "--delete", "v1.0.0")
    assert f"has version v1.0.0, which is not in {world.template}" in refused(world)


def test_a_version_that_a_shallow_clone_lacks(world: World, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{world.template}", str(shallow))
    message = refused(world, "--template", shallow)
    assert f"git -C {shallow} fetch --unshallow --tags" in message


def test_a_tag_that_was_moved(world: World) -> None:
    git(world.template, "tag", "--force", "v1.0.0", "v1.1.0")
    message = refused(world)
    assert "The tag v1.0.0 of" in message
    assert "was moved" in message


def test_an_unknown_version(world: World) -> None:
    message = refused(world, "-r", "v9")
    assert "has no tag, branch or commit 'v9'. Its latest tag is v1.1.0." in message


def test_an_older_version(world: World) -> None:
    assert world.update().code == 0
    assert "v1.0.0 is older than v1.1.0, which the project has" in refused(world, "-r", "v1.0.0")


def test_an_unknown_answer(world: World) -> None:
    message = refused(world, "-d", "ownr=me", code=2)
    assert "There is no question ownr. Did you mean owner?" in message


def test_an_answer_that_does_not_fit(world: World) -> None:
    assert "python_version" in refused(world, "-d", "python_version=2.7", code=2)


def test_changes_that_are_not_committed(world: World) -> None:
    write(world.project, {"README.md": "mine\n"})
    message = refused(world)
    assert "has changes that are not committed" in message
    assert "git stash" in message


def test_a_file_that_git_does_not_know(world: World) -> None:
    write(world.project, {"mine.txt": "mine\n"})
    assert "has changes that are not committed" in refused(world)


def test_a_detached_head(world: World) -> None:
    git(world.project, "switch", "--quiet", "--detach")
    assert "detached HEAD" in refused(world)


def test_a_merge_that_is_not_finished(world: World) -> None:
    git(world.project, "switch", "--quiet", "--create", "side")
    write(world.project, {"side.txt": "s\n"})
    commit_all(world.project)
    git(world.project, "switch", "--quiet", "main")
    git(world.project, "merge", "--quiet", "--no-ff", "--no-commit", "--strategy=ours", "side")
    assert "in the middle of a merge" in refused(world)


def test_names_that_differ_in_case_only(world: World) -> None:
    write(world.project, {"New.txt": "mine\n"})
    commit_all(world.project)
    message = refused(world)
    assert "brings new.txt, but it differs from New.txt in upper and lower case only" in message


@pytest.mark.parametrize("name", ["new.txt", "new.txt/inside"], ids=["file", "folder"])
def test_an_ignored_file_where_the_template_adds_one(world: World, name: str) -> None:
    write(world.project, {".gitignore": "new.txt\n"})
    commit_all(world.project)
    write(world.project, {name: "mine\n"})
    message = refused(world)
    assert f"brings new.txt, but {name} lies there, and git does not track it" in message
    assert (world.project / name).read_text() == "mine\n"


def test_git_that_is_too_old(world: World, tmp_path: Path) -> None:
    old = tmp_path / "bin/git"
    write(tmp_path, {"bin/git": "#!/bin/sh\necho git version 2.37.1\n"})
    old.chmod(0o755)
    path = os.pathsep.join([str(old.parent), os.environ["PATH"]])
    assert "git 2.37 is too old: merging needs 2.38 or newer" in refused(world, PATH=path)


def test_a_branch_that_an_earlier_conflict_left(world: World) -> None:
    write(world.project, {"README.md": "# Mine\n"})
    commit_all(world.project)
    assert world.update().code == 3
    assert "git branch -D dayone/update-v1.1.0" in refused(world)


def test_a_template_that_is_broken(world: World) -> None:
    world.release("v1.2.0", {"broken.jinja": "{{ no_such_name }}"})
    assert "is broken: 'no_such_name' is undefined" in refused(world)


# What is unusual, and works -----------------------------------------------------------------------


def test_a_failing_pre_commit_hook_is_not_asked(world: World) -> None:
    hook = world.project / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    assert world.update().code == 0
    assert (world.project / "new.txt").exists()


def test_a_shallow_project(world: World, tmp_path: Path) -> None:
    write(world.project, {"mine.txt": "mine\n"})
    commit_all(world.project)
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{world.project}", str(shallow))
    assert world._replace(project=shallow).update().code == 0
    assert (shallow / "new.txt").exists()
    assert git(shallow, "status", "--porcelain") == ""


def test_a_folder_of_a_larger_repository(world: World, tmp_path: Path) -> None:
    """Only the project's own changes count, and only its own files change."""
    mono = tmp_path / "mono"
    inside = mono / "teams/ä/my-poc"
    shutil.copytree(world.project, inside, ignore=shutil.ignore_patterns(".git"))
    write(mono, {"README.md": "All of us\n", "new.txt": "ours\n"})
    commit_all(mono)
    write(mono, {"README.md": "Not committed\n", "loose.txt": "loose\n"})
    result = world._replace(project=inside).update()
    assert result.code == 0, result.err
    assert (inside / "new.txt").read_text() == "n\n"
    assert (mono / "new.txt").read_text() == "ours\n"
    changed = git(mono, "-c", "core.quotePath=false", "show", "--format=", "--name-only")
    assert {name.rpartition("/")[0] for name in changed.splitlines()} == {"teams/ä/my-poc"}
    assert git(mono, "status", "--porcelain").splitlines() == ["M README.md", "?? loose.txt"]


def test_a_submodule(world: World, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "--quiet", str(outer))
    allowed = ("-c", "protocol.file.allow=always")
    git(outer, *allowed, "submodule", "--quiet", "add", str(world.project), "my-poc")
    commit_all(outer)
    assert world._replace(project=outer / "my-poc").update().code == 0
    assert (outer / "my-poc/new.txt").exists()
    assert git(outer / "my-poc", "status", "--porcelain") == ""


def test_a_project_with_a_submodule(world: World, tmp_path: Path) -> None:
    part = tmp_path / "part"
    write(part, {"part.txt": "p\n"})
    commit_all(part)
    allowed = ("-c", "protocol.file.allow=always")
    git(world.project, *allowed, "submodule", "--quiet", "add", str(part), "part")
    commit_all(world.project)
    assert world.update().code == 0
    assert (world.project / "part/part.txt").exists()
    assert git(world.project, "status", "--porcelain") == ""


def test_a_linked_worktree(world: World, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(world.project, "worktree", "add", "--quiet", "-b", "side", str(linked))
    assert world._replace(project=linked).update().code == 0
    assert (linked / "new.txt").exists()
    assert git(linked, "status", "--porcelain") == ""
    assert not (world.project / "new.txt").exists()


def test_files_that_are_read_only(world: World) -> None:
    readme = world.project / "README.md"
    readme.chmod(stat.S_IRUSR)
    assert world.update().code == 0
    assert "New." in readme.read_text()


def test_no_identity(world: World, no_identity: None) -> None:
    assert world.update().code == 0
    assert git(world.project, "log", "-1", "--format=%an") == "dayone"
