"""Read a person's table and infer what a contract has to say about it."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ..errors import ProjectError
from ..params import Task

MOST_LEVELS = 50
FEWEST_ROWS = 30
FEWEST_PER_CLASS = 5


class TableError(ProjectError):
    """The table cannot be trained on; the message says why and what to do."""


@dataclass(frozen=True)
class Roles:
    """Which columns the person named. Everything else becomes a feature, or is set aside."""

    target: str
    time: str | None = None
    id: str | None = None


def read(path: Path) -> pl.DataFrame:
    """The whole table, with inferred types. Raises TableError when it is not a whole table."""
    if not path.is_file():
        raise TableError(f"{path} does not exist")
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        elif path.suffix in (".csv", ".tsv"):
            separator = "\t" if path.suffix == ".tsv" else ","
            _check_lines(path, separator)
            table = pl.read_csv(
                path, separator=separator, try_parse_dates=True, infer_schema_length=None
            )
        else:
            raise TableError(f"{path} is neither .csv, .tsv nor .parquet")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path} cannot be read as a table: {reason}") from None
    if table.height < FEWEST_ROWS:
        raise TableError(f"{path} has {table.height} rows; at least {FEWEST_ROWS} are needed")
    return table


def _check_lines(path: Path, separator: str) -> None:
    """Polars renames duplicate columns and fills up a line that was cut short; say so instead."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, delimiter=separator)
            header = next(lines, [])
            if twice := sorted({name for name in header if header.count(name) > 1}):
                raise TableError(f"{path} has the column {', '.join(twice)} more than once")
            for line in lines:
                if line and len(line) != len(header):
                    raise TableError(
                        f"{path}, line {lines.line_num}: {len(line)} values "
                        f"for {len(header)} columns; is the file cut short?"
                    )
    except UnicodeDecodeError:
        raise TableError(f"{path} is not UTF-8 text") from None
    except csv.Error as error:
        raise TableError(f"{path} is not a CSV table: {error}") from None


def check_roles(table: pl.DataFrame, roles: Roles) -> None:
    for option, name in (("--target", roles.target), ("--time", roles.time), ("--id", roles.id)):
        if name is not None and name not in table.columns:
            raise TableError(f"{option}: there is no column {name!r}; there are {table.columns}")
    if roles.id is not None and table[roles.id].n_unique() < table.height:
        raise TableError(f"--id: the values of {roles.id!r} are not unique")
    if roles.time is not None:
        if logical_type(table[roles.time]) not in ("date", "timestamp"):
            raise TableError(f"--time: {roles.time!r} does not hold dates or times")
        if table[roles.time].null_count():
            raise TableError(f"--time: {roles.time!r} is missing in some rows")


def infer_task(target: pl.Series, wanted: Task | None) -> Task:
    """The kind of prediction that fits the values of the target, or the one that is wanted."""
    known = target.drop_nulls()
    counts = known.value_counts()
    if counts.height < 2:
        raise TableError(f"{target.name!r} has only one value: there is nothing to predict")
    task = wanted or _fitting_task(known, counts.height)
    if task == "binary" and counts.height != 2:
        raise TableError(f"{target.name!r} has {counts.height} different values, binary needs 2")
    if task == "regression" and not known.dtype.is_numeric():
        raise TableError(f"{target.name!r} does not hold numbers, which regression needs")
    if task != "regression":
        rarest, rows = counts.sort("count").row(0)
        if rows < FEWEST_PER_CLASS:
            raise TableError(
                f"{target.name!r}: the class {rarest!r} has {rows} rows, at least "
                f"{FEWEST_PER_CLASS} are needed; remove or merge it, or say --task regression"
            )
    return task


def _fitting_task(known: pl.Series, distinct: int) -> Task:
    if distinct == 2:
        return "binary"
    if not known.dtype.is_numeric():
        return "multiclass"
    whole = known.dtype.is_integer() or bool((known.round() == known).all())
    return "multiclass" if whole and distinct <= 20 else "regression"


def positive_class(target: pl.Series) -> Any:
    """True or 1 where there is one, else the rarer class: it is what people look for."""
    counts = target.drop_nulls().value_counts().sort("count")
    values = counts[target.name].to_list()
    return next((value for value in values if value in (True, 1)), values[0])


def logical_type(values: pl.Series) -> str:
    if values.dtype == pl.Boolean:
        return "boolean"
    if values.dtype.is_integer():
        return "integer"
    if values.dtype.is_numeric():
        return "number"
    if values.dtype == pl.Date:
        return "date"
    if values.dtype == pl.Datetime:
        return "timestamp"
    return "string"


def looks_like_id(values: pl.Series) -> bool:
    """A different value in each row: text, or whole numbers in a column that is called so."""
    if values.n_unique() < values.len():
        return False
    named = re.search(r"(^|_|\s)(id|key|uuid|nr|no|number)$", values.name, re.IGNORECASE)
    return values.dtype == pl.String or bool(values.dtype.is_integer() and named)


def limits(values: pl.Series) -> dict[str, Any] | None:
    """The values that were seen, as arguments of a rule; none for free text and times."""
    kind = logical_type(values)
    known = values.drop_nulls()
    if kind in ("integer", "number"):
        low, high = known.min(), known.max()
        return None if low is None else {"minimum": low, "maximum": high}
    if kind == "string" and 0 < known.n_unique() <= MOST_LEVELS:
        return {"validValues": sorted(known.unique().to_list())}
    return None
