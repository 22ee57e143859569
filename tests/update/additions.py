"""The new files of the versions in `chain`."""

GLOSSARY = """\
# Glossary

- **champion**: the model that predictions come from.
- **challenger**: a model that was judged and did not become the champion.
- **gate**: the checks that a model must pass before it may serve.
"""

TEST_PARAMS = '''\
"""params.yaml is read strictly: a key that nothing knows is an error that names it."""

from pathlib import Path

import pytest

from {{ package }} import params as parameters

PARAMS = Path(__file__).parent.parent / "params.yaml"


def test_unknown_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(PARAMS.read_text(encoding="utf-8") + "\\nmisspelt: 1\\n", encoding="utf-8")
    with pytest.raises(parameters.ParamsError, match="misspelt"):
        parameters.load(path)
'''

QUESTION = """\
changelog:
  type: bool
  help: |-
    Keep a list of changes?
    It adds CHANGELOG.md, and can be changed later.
  default: true

"""

EXCLUDED = """\
  - |
    {% if changelog is defined and not changelog %}
    /CHANGELOG.md
    {% endif %}

"""

CHANGELOG = """\
# Changes of {{ slug }}

The newest first: what changed for those who ask for predictions.
"""

MIGRATION = '''\
"""params.yaml: model.bagging_fraction is called model.rows_per_tree."""

import re
import sys
from pathlib import Path


def main() -> None:
    path = Path(sys.argv[1], "params.yaml")
    if path.exists():
        text = path.read_bytes().decode("utf-8")
        path.write_bytes(re.sub(r"(?m)^(  )bagging_fraction:", r"\\1rows_per_tree:", text).encode())


if __name__ == "__main__":
    main()
'''

CHECKS = """\
-- What must hold of the landed datasets beyond their contract (DuckDB): rows here are findings.
SELECT *
FROM flights
WHERE late AND dep_delay IS NULL
"""

SUMMARY = '''\
"""A table in a few words."""

import polars as pl


def summary(table: pl.DataFrame) -> str:
    """How many rows and columns a table has, and how many of its values are missing."""
    missing = sum(column.null_count() for column in table.iter_columns())
    return f"{table.height:,} rows of {table.width} columns, {missing:,} values missing"
'''

TEST_SUMMARY = '''\
"""A table's summary counts what is there and what is not."""

import polars as pl

from {{ package }}.summary import summary


def test_summary_counts_rows_columns_and_missing_values() -> None:
    table = pl.DataFrame({"one": [1, None], "two": ["a", "b"]})
    assert summary(table) == "2 rows of 2 columns, 1 values missing"
'''
