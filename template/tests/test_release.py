"""A release has the tag of its version, and its notes what changed since the one before."""

import importlib
import subprocess
from pathlib import Path

import pytest

from tools import release

ROOT = Path(__file__).parent.parent
VERSION = '[project]\nname = "x"\nversion = "{}"\n'


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one change and no tag."""
    monkeypatch.chdir(tmp_path)
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "T")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.com")
    git("init", "--quiet")
    commit("0.1.0", "Learn from flights")
    return tmp_path


def git(*arguments: str) -> None:
    subprocess.run(["git", *arguments], check=True)


def commit(version: str, subject: str) -> None:
    Path("pyproject.toml").write_text(VERSION.format(version), encoding="utf-8")
    Path("change").write_text(subject, encoding="utf-8")
    git("add", "--all")
    git("commit", "--quiet", "--message", subject)


def test_a_commit_without_its_tag_is_no_release(history: Path) -> None:
    with pytest.raises(SystemExit, match=r"0\.1\.0.*no tag.*git tag --annotate v0\.1\.0"):
        release.main()
    git("tag", "v0.2.0")
    with pytest.raises(SystemExit, match=r"has the tag v0\.2\.0"):
        release.main()
    assert not release.FILE.exists()


def test_notes_have_what_is_new_since_the_release_before(history: Path) -> None:
    git("tag", "v0.1.0")
    release.main()
    assert "the first release" in release.FILE.read_text(encoding="utf-8")
    commit("0.1.0", "Know about weather")
    commit("0.2.0", "Version 0.2.0")
    git("tag", "v0.2.0")
    release.main()
    notes = release.FILE.read_text(encoding="utf-8")
    assert notes.startswith("# v0.2.0\n")
    assert "since v0.1.0" in notes
    assert "Know about weather" in notes
    assert "Learn from flights" not in notes


def test_a_pushed_image_is_named_by_its_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "tools")
    publish = importlib.import_module("publish")
    digests = [f"other/serve@sha256:{'1' * 64}", f"host:5000/x/serve@sha256:{'2' * 64}"]
    monkeypatch.setattr(publish, "run", lambda *command: None)
    answer = b'[{"RepoDigests": ["' + '", "'.join(digests).encode() + b'"]}]'
    monkeypatch.setattr(publish.subprocess, "check_output", lambda command: answer)
    assert publish.push("docker", "x-serve", "host:5000/x/serve:1.2.0") == digests[1]
