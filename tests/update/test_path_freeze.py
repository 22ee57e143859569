"""A released path is neither renamed nor removed within a major version.

The first test is about this repository, whose clones may lack the tags. The others prove on a small
repository that it would find what it looks for.
"""

from pathlib import Path

import pytest
from packaging.version import Version

from path_freeze import lost_paths, parse, releases, work_tree
from release import package_version
from support import ROOT
from support.git import commit_all, git


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A template that was released as 1.0.0."""
    folder = tmp_path / "template"
    for name in ("README.md.jinja", "src/{{ package }}/features.py", "docs/größe.md"):
        path = folder / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    release(folder, "v1.0.0")
    return folder


def release(folder: Path, tag: str) -> None:
    (folder / "VERSION").write_text(tag)
    commit_all(folder, tag)
    git(folder, "tag", tag)


def rename(folder: Path, old: str, new: str) -> None:
    (folder / "template" / old).rename(folder / "template" / new)


def test_no_released_path_of_this_template_is_lost() -> None:
    released = releases(ROOT)
    own = Version(package_version(ROOT))
    coming = max([own, *(one.version for one in released)])
    now = work_tree(ROOT, coming)
    assert "src/{{ package }}/features.py" in now.paths
    assert lost_paths([*released, now]) == []


def test_rename_within_a_major_is_found(repository: Path) -> None:
    rename(repository, "README.md.jinja", "ABOUT.md.jinja")
    release(repository, "v1.1.0")
    assert lost_paths(releases(repository)) == [
        "README.md is in v1.0.0 and missing in v1.1.0: it may go at a new major version."
    ]


def test_rename_at_a_new_major_is_allowed(repository: Path) -> None:
    rename(repository, "README.md.jinja", "ABOUT.md.jinja")
    release(repository, "v2.0.0")
    assert lost_paths(releases(repository)) == []


def test_removal_is_found_in_the_work_tree_before_it_is_committed(repository: Path) -> None:
    (repository / "template/docs/größe.md").unlink()
    (repository / "template/new.md").write_text("new")
    now = work_tree(repository, Version("1.1.0"))
    assert "new.md" in now.paths
    assert lost_paths([*releases(repository), now]) == [
        "docs/größe.md is in v1.0.0 and missing in the work tree: it may go at a new major version."
    ]
    assert lost_paths([*releases(repository), work_tree(repository, Version("2.0.0"))]) == []


def test_path_that_came_back_later_is_found_where_it_was_missing(repository: Path) -> None:
    rename(repository, "README.md.jinja", "ABOUT.md.jinja")
    release(repository, "v1.1.0")
    rename(repository, "ABOUT.md.jinja", "README.md.jinja")
    release(repository, "v1.10.0")
    assert [line.split(":")[0] for line in lost_paths(releases(repository))] == [
        "README.md is in v1.0.0 and missing in v1.1.0",
        "ABOUT.md is in v1.1.0 and missing in v1.10.0",
    ]


def test_file_that_begins_or_ceases_to_be_rendered_keeps_its_path(repository: Path) -> None:
    rename(repository, "README.md.jinja", "README.md")
    rename(repository, "docs/größe.md", "docs/größe.md.jinja")
    release(repository, "v1.1.0")
    assert lost_paths(releases(repository)) == []


def test_releases_are_what_copier_takes_for_them(repository: Path) -> None:
    """Versions by PEP 440, in their order and not in that of letters, without pre-releases."""
    for tag in ("v1.10.0", "1.9.0", "v2.0.0rc1", "v2.0.0-alpha.1", "v2.0.0.dev1", "before-summer"):
        release(repository, tag)
    assert [one.name for one in releases(repository)] == ["v1.0.0", "1.9.0", "v1.10.0"]
    assert parse("before-summer") is None
