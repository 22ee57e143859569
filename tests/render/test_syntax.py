"""Every emitted file is valid in its format, whatever was answered, and formatted as it checks."""

import ast
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.rendering import render
from support.style import check_style

NASTY = "quote ' and \" quote, back\\slash \\n, 🛫 emoji, # no comment, {{ 7*7 }}, a: b, $x `y` |z"
PARSERS = {
    ".py": ast.parse,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".json": json.loads,
    ".ipynb": json.loads,
}


def parse(project: Path) -> dict[str, Any]:
    """Parse every file that has a format, and the front matter of Markdown."""
    parsed = {}
    for path in project.rglob("*"):
        if path.suffix in PARSERS:
            parsed[str(path.relative_to(project))] = PARSERS[path.suffix](
                path.read_text(encoding="utf-8")
            )
        elif path.suffix == ".md" and path.read_text(encoding="utf-8").startswith("---\n"):
            front = path.read_text(encoding="utf-8").split("---\n")[1]
            parsed[str(path.relative_to(project))] = yaml.safe_load(front)
    return parsed


def check_answers(project: Path, description: str, owner: str) -> None:
    parsed = parse(project)
    about = parsed["pyproject.toml"]["project"]
    assert about["description"] == description
    assert about["authors"] == [{"name": owner}]
    assert parsed["docs/charter.md"]["owner"] == owner


def test_text_arrives_as_it_was_typed(tmp_path: Path) -> None:
    project = render({"description": NASTY, "owner": f"- {NASTY}"}, tmp_path / "nasty")
    check_answers(project, NASTY, f"- {NASTY}")


def _fits(text: str) -> bool:
    """What the questions' own validator accepts."""
    refused = re.compile(
        "[\\x00-\\x1f\\x7f-\\x9f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff\\ufeff\\ufffe\\uffff]"
    )
    return bool(text.strip()) and text == text.strip() and not refused.search(text)


free_text = st.text(
    alphabet=st.one_of(st.sampled_from("\"'\\#{}%$&*|>`~🛫é:-! "), st.characters(codec="utf-8")),
    min_size=1,
    max_size=40,
).filter(_fits)


@settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(description=free_text, owner=free_text)
def test_any_text_gives_valid_files(description: str, owner: str, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "any", ignore_errors=True)
    project = render({"description": description, "owner": owner}, tmp_path / "any")
    check_answers(project, description, owner)


CHOICES = [
    {},
    {"serving": ["batch"]},
    {"serving": ["realtime"]},
    {"project_name": "Détection d'anomalies, très longue et d'un seul tenant"[:50]},
    {"project_name": "x" * 50},
    {"project_name": "Ab"},
]


@pytest.mark.parametrize("answers", CHOICES, ids=str)
def test_formatter_and_linter_change_nothing(answers: dict[str, Any], tmp_path: Path) -> None:
    project = render({"project_name": "My PoC", **answers}, tmp_path / "project")
    check_style(project)
