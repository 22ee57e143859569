"""Whom the rows are about: ids as text, and the list of those who were erased.

The list holds the sha256 of each id and lies in the model store, so that whatever trains for that
store leaves the same subjects out, also where the source still has them.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from . import blobs
from .contract import Column
from .settings import MODEL_NAME, Settings
from .validate import as_type

NAME = "erased.txt"


def names(values: pl.Series, column: Column) -> pl.Series:
    """Ids (n,) as text: "7", " 7" and 7.0 name the same subject where ids are integers.

    A value that is not of the contract's type is named by its own text.
    """
    values = values.alias(column.name)
    typed = values.to_frame().select(as_type(column, values.dtype)).to_series()
    if typed.dtype in (pl.Int64, pl.String):
        known = typed.cast(pl.String).str.strip_chars()
    else:
        texts = [None if value is None else str(value).strip() for value in typed]
        known = pl.Series(texts, dtype=pl.String)
    text = values.cast(pl.String, strict=False).str.strip_chars()
    return known.alias(column.name).zip_with(typed.is_not_null(), text)


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
        root = settings.model_store
        self.path = root / MODEL_NAME / NAME if isinstance(root, Path) else f"{root}/{MODEL_NAME}"

    def digests(self, dataset: str) -> set[str]:
        return {line[:64] for line in self._read()[0] if line[65:] == dataset}

    def add(self, dataset: str, subjects: Subjects) -> None:
        """Raises blobs.Taken when another process adds to it at the same moment."""
        lines, tag = self._read()
        new = [f"{digest(name)} {dataset}" for name in subjects.names]
        text = "".join(f"{line}\n" for line in dict.fromkeys([*lines, *new]))
        if isinstance(self.path, Path):
            _write_for_nobody_else(self.path, text)
        else:
            blobs.bucket(self.path).write(NAME, text.encode(), over=tag)

    def _read(self) -> tuple[list[str], str | None]:
        """The lines, and the tag of the file; none and None if there is none yet."""
        try:
            if isinstance(self.path, Path):
                return self.path.read_text(encoding="utf-8").splitlines(), None
            found = blobs.bucket(self.path).read(NAME)
        except FileNotFoundError:
            return [], None
        return found.content.decode().splitlines(), found.tag


def _write_for_nobody_else(path: Path, text: str) -> None:
    """Whoever can guess an id can look it up there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def without(table: pl.DataFrame, column: Column, digests: set[str]) -> pl.DataFrame:
    """The rows of a table, shape (n, columns), of everybody else; a row without an id stays."""
    ids = table[column.name].unique()
    erased = [name is not None and digest(name) in digests for name in names(ids, column)]
    gone = ids.filter(pl.Series(erased, dtype=pl.Boolean))
    value = pl.col(column.name)
    return table.filter(value.is_in(gone.implode()).not_() | value.is_null())
