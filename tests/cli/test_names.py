"""Every name that is accepted gives a package and a command that hide nothing."""

import keyword
import re
import sys
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from support import ROOT
from support.rendering import render


@cache
def names() -> Any:
    """The macros of includes/names.jinja, in an environment like Copier's."""
    environment = Environment(
        loader=FileSystemLoader(ROOT),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
        autoescape=False,  # noqa: S701, as Copier: it writes files, not pages
    )
    return environment.get_template("includes/names.jinja").module


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("My PoC", "my-poc"),
        ("Prévision élevée", "prevision-elevee"),
        ("Straße Ødegård", "strasse-odegard"),
        ("cafe\u0301 bar", "cafe-bar"),
        ("İstanbul", "istanbul"),
        ("🚀 rocket", "rocket"),
        ("a -- b!", "a-b"),
        ("R&D 2030", "r-d-2030"),
    ],
)
def test_slug(name: str, slug: str) -> None:
    assert names().slug(name) == slug


@given(st.text(st.characters(max_codepoint=0x2FF), max_size=60))
def test_an_accepted_name_is_a_free_identifier(name: str) -> None:
    if names().name_problem(name).strip():
        return
    package = names().slug(name).replace("-", "_")
    assert package.isascii()
    assert package.isidentifier()
    assert not keyword.iskeyword(package)
    assert package not in sys.stdlib_module_names


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=200))
def test_visible_text_is_accepted(text: str) -> None:
    assert not names().text_problem(text, 200).strip()


def test_words_of_the_language_are_refused() -> None:
    words = [*keyword.kwlist, *keyword.softkwlist]
    assert [word for word in words if not names().name_problem(word).strip()] == []


def test_what_a_project_depends_on_is_refused(tmp_path: Path) -> None:
    """Its own name among its dependencies would stop a project from being locked."""
    pyproject = tomllib.loads((render({}, tmp_path / "my-poc") / "pyproject.toml").read_text())
    groups = [pyproject["project"]["dependencies"], *pyproject["dependency-groups"].values()]
    needs = {
        re.split(r"[^\w.-]", entry)[0]
        for group in groups
        for entry in group
        if isinstance(entry, str)
    }
    assert [name for name in sorted(needs) if not names().name_problem(name).strip()] == []


def test_modules_of_the_standard_library_are_refused() -> None:
    modules = [name for name in sys.stdlib_module_names if not name.startswith("_")]
    assert [name for name in modules if not names().name_problem(name).strip()] == []
