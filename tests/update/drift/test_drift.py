"""`dayone drift`: which files of the template a project has changed."""

import shutil
from pathlib import Path

import pytest

from dayone.switch import Stage, Switch, stamp
from support.cli import dayone
from support.drift import FILES, drift, head, refused, report, states
from support.git import commit_all, git
from support.rendering import render
from support.tiny import tiny_template


def test_a_project_as_it_was_made_has_not_drifted(project: Path) -> None:
    result = drift(project)
    assert "No drift." in result.out
    assert result.out.splitlines()[0] == "my-poc, made by v1.0.0:"
    assert "template  5 same" in result.out
    assert "shared    3 same" in result.out
    assert "yours     2 same" in result.out


def test_a_project_of_the_real_template_has_not_drifted(tmp_path: Path) -> None:
    project = render({}, tmp_path / "my-poc")
    commit_all(project)
    assert states(project, code=0) == {}


def test_each_state_of_each_owner(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "my-poc"
    shutil.copytree(made, project)
    for path in ("tools/prüfung.py", "docs/guide.md", "docs/charter.md"):
        (project / path).unlink()
    commit_all(project, "Start without three files")
    for path in ("noxfile.py", "README.md", "params.yaml"):
        (project / path).write_text("mine\n")
    for path in ("tools/check.sh", "pyproject.toml"):
        (project / path).unlink()
    (project / "tools/mine.py").write_text("added, so nothing that the template made\n")
    found = report(project, code=3)
    assert found["counts"] == {
        "template": {"same": 2, "changed": 1, "deleted": 1, "missing": 1},
        "shared": {"same": 0, "changed": 1, "deleted": 1, "missing": 1},
        "yours": {"same": 0, "changed": 1, "deleted": 0, "missing": 1},
    }
    assert found["findings"] == ["noxfile.py", "tools/check.sh", "tools/prüfung.py"]
    assert {(file["path"], file["owner"], file["state"]) for file in found["files"]} == {
        (".copier-answers.yml", "template", "same"),
        ("src/my_poc/__init__.py", "template", "same"),
        ("noxfile.py", "template", "changed"),
        ("tools/check.sh", "template", "deleted"),
        ("tools/prüfung.py", "template", "missing"),
        ("README.md", "shared", "changed"),
        ("pyproject.toml", "shared", "deleted"),
        ("docs/guide.md", "shared", "missing"),
        ("params.yaml", "yours", "changed"),
        ("docs/charter.md", "yours", "missing"),
    }
    commit_all(project, "Drift")
    assert report(project, code=3) == found


def test_json_says_which_project_and_version(project: Path, source: Path) -> None:
    found = report(project)
    assert (found["project"], found["template"]) == (str(project), str(source))
    assert (found["version"], found["findings"], found["fixed"]) == ("v1.0.0", [], [])


def test_what_is_shared_or_yours_is_counted_and_no_finding(project: Path) -> None:
    (project / "README.md").write_text("mine\n")
    (project / "params.yaml").unlink()
    out = drift(project).out
    assert "shared    2 same, 1 changed" in out
    assert "yours     1 same, 1 deleted" in out
    assert "README.md" not in out
    assert "No drift." in out


def test_another_mode_is_a_change(project: Path) -> None:
    (project / "tools/check.sh").chmod(0o644)
    assert states(project, code=3) == {"tools/check.sh": "changed"}


def test_a_link_in_place_of_a_file_is_a_change(project: Path) -> None:
    (project / "noxfile.py").unlink()
    (project / "noxfile.py").symlink_to("params.yaml")
    assert states(project, code=3) == {"noxfile.py": "changed"}


def test_an_ignored_file_is_compared_as_it_lies_there(project: Path) -> None:
    (project / ".gitignore").write_text("/noxfile.py\n/tools\n")
    git(project, "rm", "-r", "--quiet", "--cached", "noxfile.py", "tools")
    commit_all(project)
    assert states(project, code=0) == {}
    (project / "noxfile.py").write_text("mine\n")
    assert states(project, code=3) == {"noxfile.py": "changed"}


def test_history_of_merged_branches_counts(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "my-poc"
    shutil.copytree(made, project)
    (project / "noxfile.py").unlink()
    commit_all(project, "Start without")
    git(project, "switch", "--quiet", "--create", "side")
    shutil.copy(made / "noxfile.py", project)
    commit_all(project, "Add")
    (project / "noxfile.py").unlink()
    commit_all(project, "Delete")
    git(project, "switch", "--quiet", "main")
    assert states(project, code=3) == {"noxfile.py": "missing"}
    (project / "mine.txt").write_text("mine\n")
    commit_all(project, "Go on")
    git(project, "merge", "--quiet", "--no-edit", "side")
    assert states(project, code=3) == {"noxfile.py": "deleted"}


def test_a_shallow_clone_cannot_tell_deleted_from_missing(drifted: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    assert states(drifted, code=3)["tools/prüfung.py"] == "deleted"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{drifted}", str(clone))
    assert states(clone, code=3)["tools/prüfung.py"] == "missing"


@pytest.mark.parametrize("setting", ["log.showRoot=false", "log.decorate=full", "color.ui=always"])
def test_history_is_read_whatever_git_is_told_about_logs(project: Path, setting: str) -> None:
    git(project, "config", *setting.split("="))
    (project / "tools/prüfung.py").unlink()
    assert states(project, code=3) == {"tools/prüfung.py": "deleted"}


def test_a_project_in_a_folder_of_a_repository(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "mono" / "services" / "prévision"
    shutil.copytree(made, project)
    (tmp_path / "mono/noxfile.py").write_text("another project's\n")
    commit_all(tmp_path / "mono")
    (project / "noxfile.py").write_text("mine\n")
    (project / "tools/prüfung.py").unlink()
    commit_all(tmp_path / "mono")
    expected = {"noxfile.py": "changed", "tools/prüfung.py": "deleted"}
    assert states(project / "tools", code=3) == expected
    assert sorted(report(project, "--fix")["fixed"]) == sorted(expected)
    assert (project / "tools/prüfung.py").read_text() == FILES["tools/prüfung.py"]
    assert (tmp_path / "mono/noxfile.py").read_text() == "another project's\n"
    assert states(project, code=0) == {}


def test_line_endings_of_the_clone_are_no_drift(project: Path) -> None:
    git(project, "config", "core.autocrlf", "true")
    for path in ("noxfile.py", "tools/check.sh"):
        (project / path).unlink()
    git(project, "checkout", "--quiet", "--", ".")
    assert (project / "noxfile.py").read_bytes() == b"first\r\nsecond\r\n"
    assert states(project, code=0) == {}
    (project / "noxfile.py").write_bytes(b"first\r\nmine\r\n")
    commit_all(project)
    assert report(project, "--fix")["fixed"] == ["noxfile.py"]
    assert (project / "noxfile.py").read_bytes() == b"first\r\nsecond\r\n"
    assert states(project, code=0) == {}


def test_line_endings_that_the_project_committed_are_no_drift(project: Path) -> None:
    (project / "noxfile.py").write_bytes(b"first\r\nsecond\r\n")
    commit_all(project)
    assert states(project, code=0) == {}
    (project / "noxfile.py").write_bytes(b"first\r\nmine\r\n")
    commit_all(project)
    drift(project, "--fix")
    assert (project / "noxfile.py").read_bytes() == b"first\r\nsecond\r\n"
    assert states(project, code=0) == {}


def test_a_tag_that_came_later_is_no_drift(tmp_path: Path) -> None:
    """The answers file holds the name that the commit had when the project was made."""
    template, project = tiny_template(tmp_path / "template"), tmp_path / "my-poc"
    dayone("new", project, "--template", template, "--defaults", "--no-hooks")
    commit_all(project)
    git(template, "tag", "v1.0.0")
    assert states(project, code=0) == {}


def test_answers_edited_by_hand_are_refused(project: Path) -> None:
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace("'3.12'", "'2.7'"))
    assert "was edited by hand" in refused(project)


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    result = drift(tmp_path, code=1)
    assert "is not a project" in result.err


@pytest.mark.parametrize("command", ["drift", "check-update"])
def test_an_update_that_was_cut_off_is_undone_first(project: Path, command: str) -> None:
    """Without its answers file, as here, it would not even look like a project."""
    stage, answers = Stage(project / ".git/dayone/update"), ".copier-answers.yml"
    stage.old.mkdir(parents=True)
    switch = Switch(
        top=str(project),
        index=str(project / ".git/index"),
        next_index=str(project / ".git/dayone/next/index"),
        before=head(project),
        after="f" * 40,
        message="Update",
        gone={answers: stamp(project / answers)},
        come={},
    )
    stage.write(switch)
    (project / answers).rename(stage.old / answers)
    assert dayone(command, project).code == 0
    assert git(project, "status", "--porcelain") == ""
    assert not stage.folder.exists()
