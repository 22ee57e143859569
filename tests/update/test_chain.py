"""The chain has the changes that the tests of updates need, and each version is a good template."""

from itertools import pairwise
from pathlib import Path

import pytest
from packaging.version import Version

from dayone.ownership import Ownership
from path_freeze import lost_paths, releases
from support.style import check_style

from . import chain, edits
from .cases import ANSWERS, between
from .projects import Templates, read_tree, recorded_answers


def test_hashes_depend_on_the_content_alone(templates: Templates, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    again = Templates(tmp_path / "elsewhere")
    for tag in chain.TAGS:
        assert again.commit(tag) == templates.commit(tag)


def test_a_released_path_is_lost_at_a_major_version_only(templates: Templates) -> None:
    released = releases(templates.repository)
    assert [one.version for one in released] == [Version(tag) for tag in chain.TAGS]
    assert lost_paths(released) == []


@pytest.mark.parametrize("pair", [chain.Pair(*pair) for pair in pairwise(chain.TAGS)])
def test_every_version_changes_shared_and_template_files(
    pair: chain.Pair, templates: Templates
) -> None:
    update = between(pair, templates, templates.rendered(pair.old, ANSWERS["defaults"]))
    assert "README.md" in edits.changed(update, "shared")
    assert "noxfile.py" in edits.changed(update, "template")


@pytest.mark.parametrize("tag", chain.TAGS)
@pytest.mark.parametrize("answers", ANSWERS)
def test_rendered_project_passes_its_own_style_checks(
    tag: str, answers: str, templates: Templates
) -> None:
    check_style(templates.rendered(tag, ANSWERS[answers]))


@pytest.mark.parametrize("tag", chain.TAGS)
def test_every_path_has_an_owner(tag: str, templates: Templates) -> None:
    owners: Ownership = templates.owners(tag)
    tree = read_tree(templates.rendered(tag, ANSWERS["defaults"]))
    assert [path for path in tree if owners.owner_of(path) is None] == []


def test_question_decides_about_its_file(templates: Templates) -> None:
    answers = ANSWERS["defaults"]
    assert recorded_answers(templates.rendered("v1.2.0", answers))["changelog"] is True
    assert "CHANGELOG.md" in read_tree(templates.rendered("v1.2.0", answers))
    without = templates.rendered("v1.2.0", {**answers, "changelog": False})
    assert "CHANGELOG.md" not in read_tree(without)
    assert "CHANGELOG.md" not in (without / "README.md").read_text()


def test_new_choice_and_new_default_are_taken(templates: Templates) -> None:
    name = ANSWERS["defaults"]
    chosen = templates.rendered("v1.2.0", {**name, "python_version": "3.14"})
    assert 'python_version = "3.14"' in (chosen / "pyproject.toml").read_text()
    assert recorded_answers(templates.rendered("v2.1.0", name))["python_version"] == "3.13"


def test_migration_brings_old_parameters_to_what_the_new_version_reads(
    templates: Templates, tmp_path: Path
) -> None:
    old = templates.project("v1.2.0", ANSWERS["defaults"], tmp_path / "old")
    new = templates.rendered("v2.0.0", ANSWERS["defaults"])
    for _ in range(2):  # the second run does nothing
        templates.migrate("v2.0.0", old)
        assert (old / "params.yaml").read_bytes() == (new / "params.yaml").read_bytes()
