"""copier.yml keeps the rules that questions, tables and updates rest on."""

import re
from typing import Any

import pytest
import yaml

from dayone.ownership import Ownership
from support import ROOT

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "copier.yml").read_text())
QUESTIONS = {
    name: question
    for name, question in CONFIG.items()
    if not name.startswith("_")
    and question.get("when") is not False
    and question.get("ask") is not False
}
TEXTS = [
    name
    for name, question in QUESTIONS.items()
    if "choices" not in question and question["type"] == "str"
]


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_question_has_a_default_and_says_that_it_can_be_changed(name: str) -> None:
    assert "default" in QUESTIONS[name]
    assert "can be changed later" in QUESTIONS[name]["help"]


@pytest.mark.parametrize("name", TEXTS)
def test_free_text_has_a_validator(name: str) -> None:
    assert QUESTIONS[name]["validator"]


@pytest.mark.parametrize("name", QUESTIONS)
def test_help_fits_a_terminal(name: str) -> None:
    assert max(map(len, QUESTIONS[name]["help"].splitlines())) <= 78


def test_plain_copier_needs_no_trust() -> None:
    assert not {"_tasks", "_jinja_extensions", "_migrations", "_external_data"} & set(CONFIG)


@pytest.mark.parametrize("entry", [entry for entry in CONFIG["_exclude"] if "{%" in entry])
def test_every_variable_of_the_exclude_table_is_guarded(entry: str) -> None:
    """An update renders the table with answers of a version that may not have the question."""
    condition = re.search(r"{% if (.*) %}", entry)
    assert condition
    words = set(re.findall(r"[a-z_]+", re.sub(r"'[^']*'", "", condition[1])))
    variables = words & {name for name in CONFIG if not name.startswith("_")}
    assert all(f"{name} is defined and" in condition[1] for name in variables)


def test_seeds_have_no_variables() -> None:
    assert not [pattern for pattern in CONFIG["_skip_if_exists"] if "{" in pattern]


def test_the_ownership_table_is_sound() -> None:
    assert Ownership(CONFIG["_ownership"]).rules


def test_written_once_means_yours() -> None:
    ownership = Ownership(CONFIG["_ownership"])
    for pattern in CONFIG["_skip_if_exists"]:
        assert ownership.owner_of(pattern.strip("/").replace("*", "any")) == "yours"
