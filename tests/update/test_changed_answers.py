"""Answers of a live project change and change back, and nothing else does."""

from pathlib import Path
from typing import Any

import pytest

from support.git import commit_all

from . import ours
from .cases import ANSWERS
from .chain import TAGS
from .edits import WORDS
from .projects import Templates, read_commit, read_tree, recorded_answers

NEWEST = TAGS[-1]
THERE_AND_BACK = {
    "a part that goes": ({"serving": ["batch"]}, {"serving": ["realtime", "batch"]}),
    "one part for the other": ({"serving": ["batch"]}, {"serving": ["realtime"]}),
    "a file": ({"changelog": "false"}, {"changelog": "true"}),
    "words": ({"python_version": "3.11"}, {"python_version": "3.13"}),
    "the name of everything": ({"project_name": "Delays"}, {"project_name": "Late flights"}),
}


@pytest.mark.parametrize("name", THERE_AND_BACK)
def test_project_follows_its_answers_there_and_back(
    name: str, templates: Templates, tmp_path: Path
) -> None:
    there, back = THERE_AND_BACK[name]
    answers: dict[str, Any] = {**ANSWERS["defaults"], **back}
    project = templates.project(NEWEST, answers, tmp_path / "project")
    before = read_tree(project)
    owner_of = templates.owners(NEWEST).owner_of
    for data in (there, back):
        report = ours.update(project, NEWEST, data)
        assert (report.code, report.said["result"]) == (ours.DONE, "updated")
        fresh = templates.after(NEWEST, project, {})
        now = read_tree(project)
        assert now.keys() == fresh.keys()
        assert [
            path for path in now if now[path] != fresh[path] and owner_of(path) != "yours"
        ] == []
    assert read_tree(project) == before


def test_edits_elsewhere_stay_when_an_answer_changes_and_changes_back(
    templates: Templates, tmp_path: Path
) -> None:
    project = templates.project(NEWEST, ANSWERS["defaults"], tmp_path / "project")
    for path in ("README.md", "noxfile.py", "params.yaml", "src/late_flights/train.py"):
        with (project / path).open("a") as file:
            file.write(f"{WORDS}\n")
    (project / "notes").mkdir()
    (project / "notes/größe.md").write_text("ours\n")
    (project / "tools/leftovers.py").unlink()
    commit_all(project)
    before = read_tree(project)
    for serving in (["batch"], ["realtime", "batch"]):
        report = ours.update(project, NEWEST, {"serving": serving})
        assert report.said["result"] == "updated"
        assert recorded_answers(project)["serving"] == serving
    assert read_tree(project) == before


def test_edit_in_a_part_that_is_switched_off_is_listed_and_on_the_branch(
    templates: Templates, tmp_path: Path
) -> None:
    project = templates.project(NEWEST, ANSWERS["defaults"], tmp_path / "project")
    path = "src/late_flights/serve/app.py"
    with (project / path).open("a") as file:
        file.write(f"{WORDS}\n")
    commit_all(project)
    before = ours.state(project)
    report = ours.update(project, NEWEST, {"serving": ["batch"]})
    assert report.code == ours.FINDINGS
    assert [one["path"] for one in report.said["conflicts"]] == [path]
    assert ours.state(project) == before
    assert WORDS.encode() in read_commit(project, report.said["branch"])[path].data
