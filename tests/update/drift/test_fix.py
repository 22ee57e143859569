"""`dayone drift --fix`: the template's files come back, and nothing else is touched."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dayone.drift import drift as find_drift
from dayone.errors import DayoneError
from dayone.screen import Screen
from support.cli import dayone
from support.drift import FILES, YESTERDAY, drift, keep, refused, report, state, states
from support.git import commit_all, git

OWN = ("README.md", "docs/charter.md", "docs/guide.md", "params.yaml", "pyproject.toml")
KILLED = """
import os, pathlib, signal, sys
replace, left = pathlib.Path.replace, int(sys.argv.pop(1))
def counted(*arguments):
    global left
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    return replace(*arguments)
pathlib.Path.replace = counted
from dayone.cli import main
main()
"""


def test_findings_name_the_command_that_fixes_them(drifted: Path) -> None:
    assert f"dayone drift {drifted} --fix" in drift(drifted, code=3).out
    assert "  dayone drift --fix" in dayone("drift", cwd=drifted).out


def test_fix_makes_the_files_as_the_template_made_them(drifted: Path, made: Path) -> None:
    before = state(drifted)
    out = drift(drifted, "--fix").out
    assert "Restored 3 files to what v1.0.0 made. Nothing is committed" in out
    after = state(drifted)
    assert (after["staged"], after["head"]) == (before["staged"], before["head"])
    assert after["files"] == {
        path.relative_to(made).as_posix(): (path.stat().st_mode, path.read_bytes())
        for path in made.rglob("*")
        if path.is_file()
    }
    assert not (drifted / ".git/dayone/update").exists()
    assert states(drifted, code=0) == {}
    assert "Nothing to fix." in drift(drifted, "--fix").out


def test_fix_brings_what_the_project_never_had(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "my-poc"
    shutil.copytree(made, project)
    shutil.rmtree(project / "tools")
    commit_all(project)
    assert report(project, "--fix")["fixed"] == ["tools/check.sh", "tools/prüfung.py"]
    assert os.access(project / "tools/check.sh", os.X_OK)
    assert states(project, code=0) == {}


def test_fix_touches_nothing_that_is_shared_yours_or_kept(drifted: Path) -> None:
    for path in OWN:
        (drifted / path).write_text("mine\n")
    (drifted / "docs/guide.md").unlink()
    (drifted / "tools/mine.py").write_text("mine\n")
    keep(drifted, "tools/check.sh")
    before = state(drifted)["files"]
    assert report(drifted, "--fix")["fixed"] == ["noxfile.py", "tools/prüfung.py"]
    after = state(drifted)["files"]
    assert after.pop("tools/prüfung.py")
    assert after.pop("noxfile.py") != before.pop("noxfile.py")
    assert after == before


def test_fix_takes_back_an_opt_out_that_has_expired(drifted: Path) -> None:
    keep(drifted, "noxfile.py", YESTERDAY)
    keep(drifted, "tools")
    assert report(drifted, "--fix")["fixed"] == ["noxfile.py"]


def test_fix_replaces_a_link_and_not_what_it_leads_to(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere.py").write_text("elsewhere\n")
    (project / "noxfile.py").unlink()
    (project / "noxfile.py").symlink_to(tmp_path / "elsewhere.py")
    commit_all(project)
    drift(project, "--fix")
    assert not (project / "noxfile.py").is_symlink()
    assert (project / "noxfile.py").read_text() == FILES["noxfile.py"]
    assert (tmp_path / "elsewhere.py").read_text() == "elsewhere\n"


def test_fix_restores_a_deletion_that_is_not_committed(project: Path) -> None:
    (project / "noxfile.py").unlink()
    drift(project, "--fix")
    assert git(project, "status", "--porcelain") == ""


@pytest.mark.parametrize("flag", [(), ("--assume-unchanged",), ("--skip-worktree",)])
def test_fix_refuses_to_lose_an_edit_that_is_not_committed(
    drifted: Path, flag: tuple[str, ...]
) -> None:
    if flag:
        git(drifted, "update-index", *flag, "noxfile.py")
    (drifted / "noxfile.py").write_text("newer\n")
    message = refused(drifted, "--fix")
    assert "noxfile.py: not committed as it lies there" in message
    assert "nothing was changed" in message


@pytest.mark.parametrize("ignored", [False, True])
def test_fix_refuses_to_lose_a_file_that_git_does_not_know(drifted: Path, ignored: bool) -> None:
    if ignored:
        (drifted / ".gitignore").write_text("/tools/prüfung.py\n")
        commit_all(drifted)
    (drifted / "tools/prüfung.py").write_text("anew\n")
    assert "tools/prüfung.py: not committed as it lies there" in refused(drifted, "--fix")


def test_fix_minds_uncommitted_edits_of_these_files_only(drifted: Path) -> None:
    (drifted / "params.yaml").write_text("rounds: 2\n")
    drift(drifted, "--fix")
    assert (drifted / "params.yaml").read_text() == "rounds: 2\n"


def test_fix_refuses_a_folder_where_the_file_belongs(drifted: Path) -> None:
    (drifted / "tools/prüfung.py").mkdir()
    (drifted / "tools/prüfung.py/mine.txt").write_text("mine\n")
    commit_all(drifted)
    assert "tools/prüfung.py is a folder, where the template" in refused(drifted, "--fix")


@pytest.mark.parametrize("link", [False, True])
def test_fix_refuses_to_write_through_what_is_no_folder(
    project: Path, tmp_path: Path, link: bool
) -> None:
    shutil.move(project / "tools", tmp_path / "tools")
    if link:
        (project / "tools").symlink_to(tmp_path / "tools")
    else:
        (project / "tools").write_text("mine\n")
    (project / "noxfile.py").write_text("mine\n")
    commit_all(project)
    (tmp_path / "tools/check.sh").write_text("elsewhere\n")
    assert "tools is not a folder of the project" in refused(project, "--fix")
    assert (tmp_path / "tools/check.sh").read_text() == "elsewhere\n"


def test_fix_refuses_a_folder_that_is_read_only(
    drifted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a false answer of the system, because root, as in a container, may always write."""
    before, access, closed = state(drifted), os.access, drifted / "tools"
    monkeypatch.setattr(os, "access", lambda path, mode: path != closed and access(path, mode))
    with pytest.raises(DayoneError, match=r"tools is read-only, and tools/check\.sh in it"):
        find_drift(drifted, Screen(json=True), fix=True)
    assert state(drifted) == before


def test_fix_waits_for_no_other_dayone(drifted: Path) -> None:
    (drifted / ".git/dayone").mkdir()
    with (drifted / ".git/dayone/lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "Another dayone is at work" in refused(drifted, "--fix")
        drift(drifted, code=3)


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_each_file_is_whole_when_a_fix_is_killed(drifted: Path, made: Path, moves: int) -> None:
    before = state(drifted)["files"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(moves), "drift", str(drifted), "--fix"],
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    after = state(drifted)["files"]
    restored = ["noxfile.py", "tools/check.sh", "tools/prüfung.py"][:moves]
    for path in restored:
        whole = ((made / path).stat().st_mode, (made / path).read_bytes())
        assert after.pop(path) == whole
        before.pop(path, None)
    assert after == before
    assert sorted(report(drifted, "--fix")["fixed"] + restored) == [
        "noxfile.py",
        "tools/check.sh",
        "tools/prüfung.py",
    ]
    assert states(drifted, code=0) == {}
    assert [path.name for path in (drifted / ".git/dayone").iterdir()] == ["lock"]
