"""Where data comes from: one module per kind of source.

Each has `Options`, what params.yaml says of a source of its kind, and

    read(options: Options, after: Position | None) -> Reading

which gives what is new since a position, or everything for None. Some also have

    write(options: Options, table: pl.DataFrame, key: list[str]) -> None

which brings predictions back to where people work; rows with the same key are replaced. Those that
keep files have instead

    put(options: Options, file: Path, name: str) -> None

which takes a Parquet file with the predictions for the table of this name.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict

from ..errors import ProjectError

# How far a source has been read, as JSON can hold it; only its own module knows what it means.
Position = dict[str, Any]
# In a position: which of the rows at its end were read. It may be long, and only going on needs it.
SEEN = "seen"

BATCH_ROWS = 100_000


class SourceError(ProjectError):
    """The source cannot be reached, or does not hold what it should."""


class Options(BaseModel):
    """What params.yaml says of one source; each kind has its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str


@dataclass(frozen=True)
class Batch:
    """Rows of a source, as it has them, and the position that lies behind them.

    The position is None where reading cannot be taken up: these rows land with those that follow.
    """

    rows: pl.DataFrame
    position: Position | None


@dataclass(frozen=True)
class Reading:
    """What a source has that is new, in an order that is the same whenever it is asked.

    ``anew`` says that the batches are all of it, and stand for what was read before. Rows that are
    ``documents`` lack a column where none of them has a value for it; a table never does.
    """

    batches: Iterator[Batch]
    anew: bool
    documents: bool = False


def kind(name: str) -> ModuleType:
    """The module of a kind; raise SourceError when the project has none of that name."""
    try:
        module = import_module(f"{__name__}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{name}":
            raise
    else:
        # Not those that kinds share.
        if hasattr(module, "read") and hasattr(module, "Options"):
            return module
    raise SourceError(
        f"this project has no sources of the kind {name!r}: it is an answer to data_sources, "
        "which `dayone update` changes"
    )


def secret(name: str) -> str:
    """The value of an environment variable that must not stand in a file; raise SourceError."""
    value = os.environ.get(name, "")
    if not value:
        raise SourceError(f"{name} is not set: it holds what the source must not be read without")
    return value


def hidden(error: BaseException, *secrets: str) -> str:
    """The first line of what an error says, without these secrets."""
    said = (str(error).strip() or repr(error)).splitlines()[0]
    for value in filter(None, secrets):
        said = said.replace(value, "…")
    return said
