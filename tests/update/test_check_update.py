"""`dayone check-update`: whether a newer release is out, from a list of tags."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dayone.check_update import Listed, newer_listed
from dayone.project import Project
from support.cli import dayone
from support.git import commit_all, git
from support.tiny import tiny_template


class World(NamedTuple):
    template: Path
    project: Path

    def release(self, tag: str, *options: str) -> str:
        commit = self.go_on(tag)
        git(self.template, "tag", tag, *options)
        return commit

    def go_on(self, text: str) -> str:
        (self.template / "template/new.txt").write_text(text)
        return commit_all(self.template, text)

    def make(self, source: str | Path, *arguments: str) -> None:
        made = dayone(
            *("new", self.project, "--template", source, "--defaults", "--no-hooks"), *arguments
        )
        assert made.code == 0, made.err
        commit_all(self.project, "Start")

    def check(self, code: int) -> dict[str, Any]:
        result = dayone("check-update", self.project, "--json")
        assert result.code == code, result
        return dict(json.loads(result.out))

    def newest(self, code: int) -> str:
        return str(self.check(code)["newest"])

    def refused(self) -> str:
        result = dayone("check-update", self.project)
        assert result.code == 1, result
        assert result.err.count("Error: ") == 1
        return result.err.partition("Error: ")[2]

    def would_update(self) -> bool:
        """Whether `dayone plan`, with all of the history, goes to another version."""
        result = dayone("plan", self.project, "--json")
        assert result.code == 0, result.err
        return bool(json.loads(result.out)["changes"])


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tiny_template(tmp_path / "template"), tmp_path / "my-poc")


@pytest.fixture(params=["folder", "url"])
def source(request: pytest.FixtureRequest, world: World) -> str:
    """The same repository, on this machine and as if it were far away."""
    return str(world.template) if request.param == "folder" else f"file://{world.template}"


def test_the_newest_release_is_up_to_date(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0")
    world.make(source)
    assert world.check(code=0) == {
        "project": str(world.project),
        "template": source,
        "current": "v1.0.0",
        "newest": "v1.0.0",
        "newer": False,
    }
    assert dayone("check-update", world.project).out == "v1.0.0 is the newest version.\n"


def test_a_newer_release_is_found_and_plan_is_named(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0")
    world.make(source)
    world.release("v1.9.0")
    world.release("v1.10.0", "--annotate", "--message=Release")
    world.release("v2.0.0rc1")
    assert world.check(code=3) == {
        "project": str(world.project),
        "template": source,
        "current": "v1.0.0",
        "newest": "v1.10.0",
        "newer": True,
    }
    result = dayone("check-update", cwd=world.project)
    assert result.code == 3
    assert result.out == "v1.10.0 is newer than v1.0.0. Next: dayone plan\n"
    assert f"Next: dayone plan {world.project}\n" in dayone("check-update", world.project).out
    assert world.would_update()


def test_an_annotated_tag_is_the_commit_behind_it(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0", "--annotate", "--message=Release")
    world.make(source)
    assert world.newest(code=0) == "v1.0.0"
    git(world.template, "tag", "v1.0.1", "--annotate", "--message=Again", "HEAD")
    assert world.newest(code=0) == "v1.0.0"


def test_a_pre_release_does_not_count(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0")
    world.make(source)
    world.release("v1.1.0rc1")
    assert world.newest(code=0) == "v1.0.0"
    assert not world.would_update()


def test_a_project_of_a_pre_release_waits_for_its_release(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0")
    world.release("v2.0.0rc1")
    world.make(source, "-r", "v2.0.0rc1")
    assert world.newest(code=0) == "v2.0.0rc1"
    assert not world.would_update()
    world.release("v2.0.0")
    assert world.newest(code=3) == "v2.0.0"
    assert world.would_update()


def test_a_project_past_the_newest_release_waits_for_the_next(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0")
    commit = world.go_on("past")
    world.make(source, "-r", commit)
    assert world.check(code=0)["current"].startswith("v1.0.0-1-g")
    assert not world.would_update()
    world.release("v1.1.0")
    assert world.newest(code=3) == "v1.1.0"
    assert world.would_update()


def test_a_project_past_the_releases_of_a_checkout_follows_its_commits(world: World) -> None:
    git(world.template, "tag", "v1.0.0")
    world.go_on("past")
    world.make(world.template)
    assert world.check(code=0)["newer"] is False
    commit = world.go_on("further")
    assert world.newest(code=3) == f"v1.0.0-2-g{commit[:7]}"
    assert world.would_update()


def test_a_template_without_releases_is_followed_by_commit(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0rc1")
    world.make(source)
    assert world.check(code=0)["newer"] is False
    commit = world.go_on("next")
    newest = world.newest(code=3)
    assert commit[:7] in newest
    assert world.would_update()


def test_the_first_release_of_a_template(world: World, source: str) -> None:
    world.make(source)
    git(world.template, "tag", "v0.1.0")
    assert world.check(code=0)["newer"] is False
    world.release("v0.2.0")
    assert world.newest(code=3) == "v0.2.0"


def test_a_tag_that_was_moved_is_an_error(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0", "--annotate", "--message=Release")
    world.make(source)
    world.release("v1.1.0")
    git(world.template, "tag", "--force", "--annotate", "--message=Moved", "v1.0.0", "HEAD")
    message = world.refused()
    assert f"The tag v1.0.0 of {source} was moved" in message
    assert git(world.template, "rev-parse", "HEAD")[:12] in message


def test_a_tag_that_is_gone_is_an_error(world: World, source: str) -> None:
    git(world.template, "tag", "v1.0.0")
    world.make(source)
    git(world.template, "tag", "--delete", "v1.0.0")
    assert f"has version v1.0.0, which is not in {source}" in world.refused()


def test_a_source_that_is_gone_is_named_with_the_way_out(world: World, source: str) -> None:
    world.make(source)
    world.template.rename(world.template.with_name("moved"))
    message = world.refused()
    assert str(world.template) in message
    assert "dayone update --template URL" in message


def test_credentials_of_a_source_are_not_said(world: World) -> None:
    world.make(world.template)
    answers = world.project / ".copier-answers.yml"
    url = "https://ada:secret@localhost:1/template.git"
    answers.write_text(answers.read_text().replace(str(world.template), url))
    message = world.refused()
    assert "The template https://localhost:1/template.git cannot be reached" in message
    assert "secret" not in message


@pytest.mark.parametrize("command", ["check-update", "plan", "drift"])
def test_a_shorthand_that_copier_recorded(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    world.make(world.template)
    answers = world.project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(world.template), "gh:acme/template"))
    config = Path(os.environ["GIT_CONFIG_GLOBAL"]).read_text()
    own = tmp_path / "config"
    own.write_text(
        f'{config}[url "file://{world.template}"]\ninsteadOf = https://github.com/acme/template\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    result = dayone(command, world.project)
    assert result.code == 0, result.err


def test_a_folder_that_is_no_project(tmp_path: Path) -> None:
    result = dayone("check-update", tmp_path)
    assert result.code == 1
    assert "is not a project" in result.err


def test_a_url_is_neither_cloned_nor_rendered(world: World, tmp_path: Path) -> None:
    git(world.template, "tag", "v1.0.0")
    world.make(f"file://{world.template}")
    world.release("v1.1.0")
    log = tmp_path / "git.log"
    code = (
        "import sys; from dayone.cli import app; app(sys.argv[1:], standalone_mode=False);"
        "print([name for name in ('copier', 'jinja2') if name in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "check-update", str(world.project)],
        env={**os.environ, "GIT_TRACE": str(log)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert "v1.1.0 is newer" in result.stdout
    traced = log.read_text()
    assert "ls-remote" in traced
    assert not [word for word in ("git clone", "fetch-pack", "index-pack") if word in traced]


# What names and hashes tell without history ------------------------------------------------------

A, B, C = ("a" * 40, "b" * 40, "c" * 40)


def newer(version: str, tags: dict[str, str], commit: str | None = A) -> str | None:
    here = Path()
    project = Project(here, here, {}, "https://example.com/t", version, commit, C)
    return newer_listed(project, Listed("t", tags, head=C))


@pytest.mark.parametrize(
    ("version", "tags", "expected"),
    [
        ("v1.0.0", {"v1.0.0": A}, None),
        ("v1.0.0", {"v1.0.0": A, "v1.0.1": A}, None),
        ("v1.0.0", {"v1.0.0": A, "v1.0.1": B}, "v1.0.1"),
        ("v1.9.0", {"v1.9.0": A, "v1.10.0": B}, "v1.10.0"),
        ("v1.0.0-3-gaaaaaaa", {"v1.0.0": B}, None),
        ("v1.0.0-3-gaaaaaaa", {"v1.0.0": B, "v1.0.1": C}, "v1.0.1"),
        ("v2.0.0rc1-3-gaaaaaaa", {"v1.0.0": B, "v2.0.0rc1": C}, None),
        ("v2.0.0rc1-3-gaaaaaaa", {"v2.0.0": B, "v2.0.0rc1": C}, "v2.0.0"),
        ("aaaaaaa", {"v1.0.0": A}, None),
        ("aaaaaaa", {"v1.0.0": B}, "v1.0.0"),
        ("nightly", {"nightly": A, "v1.0.0": B}, "v1.0.0"),
        ("v1.0.0-rc.1", {"v1.0.0-rc.1": A}, C[:12]),
    ],
)
def test_newer_by_name(version: str, tags: dict[str, str], expected: str | None) -> None:
    assert newer(version, tags) == expected


def test_newer_of_a_project_that_does_not_know_its_commit() -> None:
    assert newer("aaaaaaa", {"v1.0.0": A}, commit=None) is None
    assert newer("v1.0.0", {"v1.0.0": A}, commit=None) is None
    assert newer("ccccccc", {}, commit=None) is None
    assert newer("aaaaaaa", {}, commit=None) == C[:12]
