"""Whom the rows are about: ids as text, and the list of those who were erased.

The list holds the sha256 of each id and lies in the model store, so that whatever trains for that
store leaves the same subjects out, also where the source still has them.
"""

import hashlib
import os
from collections.abc import Iterable

import polars as pl

from .contract import Column
from .settings import MODEL_NAME, Settings
from .validate import as_type


def names(values: pl.Series, column: Column) -> pl.Series:
    """Ids (n,) as text: "7", " 7" and 7.0 name the same subject where ids are integers.

    A value that is not of the contract's type is named by its own text.
    """
    values = values.alias(column.name)
    typed = values.to_frame().select(as_type(column, values.dtype)).to_series()
    known = [None if value is None else str(value).strip() for value in typed]
    text = values.cast(pl.String, strict=False).str.strip_chars()
    return pl.Series(column.name, known, dtype=pl.String).zip_with(typed.is_not_null(), text)


def digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


class Subjects:
    """Some ids of a contract. ``found`` are the names of those that were met in a table."""

    def __init__(self, ids: Iterable[str], column: Column) -> None:
        self.column = column
        self.given = list(dict.fromkeys(ids))
        self._name = dict(zip(self.given, names(pl.Series(self.given), column), strict=True))
        self.found: set[str] = set()

    @property
    def names(self) -> list[str]:
        return list(dict.fromkeys(self._name.values()))

    @property
    def nowhere(self) -> list[str]:
        return [id for id in self.given if self._name[id] not in self.found]

    def among(self, values: pl.Series) -> pl.Series:
        """Which of the values (n,) are one of these ids."""
        named = names(values, self.column)
        here = named.is_in(self.names).fill_null(False)
        self.found |= set(named.filter(here))
        return here


class ErasedList:
    """The file of those who were erased: lines of a digest and the dataset that the id is of."""

    def __init__(self, settings: Settings) -> None:
        self.path = settings.model_store / MODEL_NAME / "erased.txt"

    def digests(self, dataset: str) -> set[str]:
        return {line[:64] for line in self._lines() if line[65:] == dataset}

    def add(self, dataset: str, subjects: Subjects) -> None:
        new = [f"{digest(name)} {dataset}" for name in subjects.names]
        lines = dict.fromkeys([*self._lines(), *new])
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".unfinished")
        unfinished.unlink(missing_ok=True)
        # Whoever can guess an id can look it up here, so nobody else may read it.
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self.path)

    def _lines(self) -> list[str]:
        return self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []


def without(table: pl.LazyFrame, column: Column, digests: set[str]) -> pl.LazyFrame:
    """The rows of a table of everybody else; a row without an id stays."""
    value = pl.col(column.name)
    ids = table.select(value.unique()).collect().to_series()
    erased = [name is not None and digest(name) in digests for name in names(ids, column)]
    gone = ids.filter(pl.Series(erased, dtype=pl.Boolean))
    return table.filter(value.is_in(gone.implode()).not_() | value.is_null())
