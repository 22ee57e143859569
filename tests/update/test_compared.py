"""The page that compares `dayone update` with stock Copier says what happens here.

`DAYONE_WRITE_TABLE=1 pytest tests/update/test_compared.py` writes its table anew.
"""

import os
from pathlib import Path

import pytest

from . import compared
from .cases import EVERYTHING
from .projects import Templates

# Where Copier loses something, and where people would miss it; the rest with `nox -s full`.
SHORT = ["renamed_file", "removed_file", "switched_off_file", "moved"]
WRITE = "DAYONE_WRITE_TABLE" in os.environ

# One process, so that the page is written by one at a time.
pytestmark = pytest.mark.xdist_group("compared")


@pytest.mark.parametrize("kind", compared.COMPARED if EVERYTHING or WRITE else SHORT)
def test_row_of_the_page_is_what_happens(kind: str, templates: Templates, tmp_path: Path) -> None:
    row = compared.row(kind, templates, tmp_path)
    if WRITE:
        compared.write(kind, row)
    assert compared.committed()[kind] == row


def test_page_has_a_row_for_every_kind_of_edit() -> None:
    assert list(compared.committed()) == compared.COMPARED
