"""`dayone update` of real older projects with real edits: nothing that people did is lost.

Each case runs once, and each test looks at one thing that must hold of it.
"""

from typing import NamedTuple

import pytest

from . import ours
from .cases import CASES, Case, Record, Started, start
from .edits import KINDS
from .fates import Fate, Outcome, fate
from .projects import Templates, recorded_answers


class Done(NamedTuple):
    """An update that has run, and what was there before."""

    case: Case
    started: Started
    before: tuple[str, ...]
    answers: dict[str, object]
    report: ours.Report
    outcome: Outcome


@pytest.fixture(
    scope="module",
    params=[pytest.param(case, marks=pytest.mark.xdist_group(str(case))) for case in CASES],
    ids=str,
)
def done(
    request: pytest.FixtureRequest, templates: Templates, tmp_path_factory: pytest.TempPathFactory
) -> Done:
    case: Case = request.param
    started = start(case, templates, tmp_path_factory.mktemp("update") / "project")
    before, answers = ours.state(started.project), recorded_answers(started.project)
    report = ours.update(started.project, case.pair.new, started.data)
    outcome = ours.outcome(started.project, report)
    return Done(case, started, before, answers, report, outcome)


def test_no_edit_is_lost_without_being_listed(done: Done, record_property: Record) -> None:
    record_property("version_pair", " ".join(done.case.pair))
    record_property("edit", done.case.kind)
    assert fate(done.started.edit, done.started.update, done.outcome) in (Fate.KEPT, Fate.LISTED)


def test_edit_that_collides_with_nothing_is_merged(done: Done) -> None:
    if KINDS[done.case.kind].collides:
        assert done.report.said["result"] in ("updated", "conflicts")
    else:
        assert done.report.said["result"] == "updated"
        assert fate(done.started.edit, done.started.update, done.outcome) is Fate.KEPT


def test_what_was_deleted_stays_deleted(done: Done) -> None:
    assert not done.started.edit.absent & done.outcome.tree.keys()


def test_everything_else_equals_a_fresh_copy(done: Done) -> None:
    """For an unedited project that is all of it, byte for byte."""
    touched = done.started.edit.paths
    tree = {path: file for path, file in done.outcome.tree.items() if path not in touched}
    expected = {
        path: file for path, file in done.started.update.expected().items() if path not in touched
    }
    assert tree.keys() == expected.keys()
    assert [path for path in tree if tree[path] != expected[path]] == []


def test_conflicts_are_on_a_branch_and_the_project_is_as_it_was(done: Done) -> None:
    conflicts = done.report.said["conflicts"]
    assert (done.report.code == ours.FINDINGS) == bool(conflicts)
    branch, commit, changed = ours.state(done.started.project)
    assert (branch, changed) == (done.before[0], done.before[2])
    assert (commit == done.before[1]) == bool(conflicts)


def test_answers_survive(done: Done) -> None:
    """New questions get an answer; none that was given changes, whatever the new default."""
    project = done.started.project
    if done.report.said["result"] == "updated":
        now = recorded_answers(project)
        assert now | done.answers | done.started.data == now
        assert now.keys() - done.answers.keys() == set(done.report.said["new_questions"])


def test_second_update_does_nothing(done: Done) -> None:
    if done.report.said["result"] == "updated":
        before = ours.state(done.started.project)
        again = ours.update(done.started.project, done.case.pair.new)
        assert (again.code, again.said["result"]) == (ours.DONE, "nothing")
        assert ours.state(done.started.project) == before
