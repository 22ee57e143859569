"""The cases cover what they say, and each kind of edit fails where its oracle must."""

from itertools import product
from pathlib import Path

import pytest

from dayone.ownership import Ownership
from support.git import git

from . import cases, chain
from .edits import KINDS
from .fates import Edit, Fate, Outcome, Update, fate, survives
from .projects import File, Templates, read_tree

WHOLE_CHAIN = chain.Pair(chain.TAGS[0], chain.TAGS[-1])


def test_cases_have_every_pair_of_versions_answers_and_edits() -> None:
    everything = cases.all_cases()
    kinds_of = {
        pair: {case.kind for case in everything if case.pair == pair} for pair in chain.PAIRS
    }
    assert all(
        (kind in kinds_of[pair]) == (needs is None or needs in chain.meets(pair))
        for pair, (kind, (_, needs, *_)) in product(chain.PAIRS, KINDS.items())
    )
    assert {(case.pair, case.answers) for case in everything} == set(
        product(chain.PAIRS, cases.ANSWERS)
    )
    assert {(case.kind, case.answers) for case in everything} == set(product(KINDS, cases.ANSWERS))


def test_sample_has_every_kind_of_edit_and_follows_its_seed() -> None:
    first = cases.sample(cases.all_cases(), 1, cases.SAMPLE)
    assert {case.kind for case in first} == set(KINDS)
    assert len(first) == len(set(first)) == cases.SAMPLE
    assert first == cases.sample(cases.all_cases(), 1, cases.SAMPLE)
    assert first != cases.sample(cases.all_cases(), 2, cases.SAMPLE)


@pytest.fixture
def started(kind: str, templates: Templates, tmp_path: Path) -> cases.Started:
    return cases.start(cases.Case(WHOLE_CHAIN, "defaults", kind), templates, tmp_path / "project")


REAL = [kind for kind in KINDS if kind != "none"]


@pytest.mark.parametrize("kind", REAL)
def test_edit_survives_in_the_files_that_it_was_made_in(started: cases.Started) -> None:
    assert git(started.project, "rev-list", "--count", "HEAD") == "2"
    assert survives(started.edit, read_tree(started.project))


@pytest.mark.parametrize("kind", [kind for kind in REAL if kind != "added_with_same_content"])
def test_edit_is_lost_in_a_fresh_copy_and_listed_where_it_is_named(
    started: cases.Started,
) -> None:
    """What an update leaves that drops the edit, and says nothing, or something."""
    edit, update = started.edit, started.update
    assert fate(edit, update, Outcome(update.new)) is Fate.LOST
    assert fate(edit, update, Outcome(update.new, named=edit.paths)) is Fate.LISTED


@pytest.mark.parametrize("kind", REAL)
def test_edit_in_conflict_is_listed(started: cases.Started) -> None:
    tree = read_tree(started.project)
    outcome = Outcome(tree, conflicts=started.edit.paths)
    assert fate(started.edit, started.update, outcome) is Fate.LISTED


@pytest.mark.parametrize(
    "kind",
    ["shared_far_away", "template_far_away", "moved", "crlf", "mode", "added_with_other_content"],
)
def test_template_change_that_does_not_arrive_is_missed(started: cases.Started) -> None:
    """What an update leaves that takes the user's file as it was."""
    outcome = Outcome(read_tree(started.project))
    assert fate(started.edit, started.update, outcome) is Fate.MISSED


def test_file_without_its_line_is_lost() -> None:
    update = Update({}, {}, Ownership({}))
    edit = Edit(paths=frozenset({"a"}), lines=("ours",))
    assert fate(edit, update, Outcome({"b": File(b"other\nours\n")})) is Fate.KEPT
    assert fate(edit, update, Outcome({"a": File(b"other\n")})) is Fate.LOST
