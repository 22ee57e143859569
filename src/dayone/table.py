"""A look at a person's own table before anything is written for it, in little memory."""

import csv
import difflib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dayone.errors import DayoneError

MANY_VALUES = 1000
FEW_NUMBERS = 20
_PARQUET_MARK = b"PAR1"


@dataclass(frozen=True)
class Table:
    """A file and the roles of its columns, as given on the command line."""

    path: Path
    target: str
    time: str | None = None
    id: str | None = None
    task: str | None = None

    def arguments(self) -> list[str]:
        """The same table, as the project's own `use-data` takes it."""
        options = {
            "--target": self.target,
            "--time": self.time,
            "--id": self.id,
            "--task": self.task,
        }
        given = [part for name, value in options.items() if value for part in (name, value)]
        return [str(self.path.resolve()), *given]


def check_table(table: Table) -> None:
    """Refuse a table that cannot become a project's data, naming what is wrong with it."""
    path = table.path
    if not path.exists():
        raise DayoneError(f"There is no table at {path}.")
    if not path.is_file():
        raise DayoneError(f"{path} is a folder, not a table.")
    if path.stat().st_size == 0:
        raise DayoneError(f"The table {path} is empty.")
    readers = {".csv": _check_csv, ".parquet": _check_parquet}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise DayoneError(
            f"{path} is not a table that can be read: it must end in .csv or .parquet."
        )
    try:
        reader(table)
    except OSError as error:
        raise DayoneError(f"The table {path} cannot be read: {error.strerror}.") from error


def _check_parquet(table: Table) -> None:
    """The marks at both ends; the rest is for the project's own reader."""
    with table.path.open("rb") as file:
        start = file.read(len(_PARQUET_MARK))
        file.seek(-len(_PARQUET_MARK), 2)
        end = file.read()
    if start != _PARQUET_MARK:
        raise DayoneError(f"{table.path} is not a Parquet file, though its name says so.")
    if end != _PARQUET_MARK:
        raise DayoneError(
            f"{table.path} is cut short: a Parquet file ends with its table of contents."
        )


def _check_csv(table: Table) -> None:
    rows = _rows(table.path)
    header = next(rows)
    _check_header(table, header)
    target = header.index(table.target)
    values: Counter[str] = Counter()
    count = 0
    for count, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DayoneError(
                f"{table.path} is cut short or broken: row {count} has {len(row)} fields, "
                f"its header has {len(header)}."
            )
        value = row[target]
        if value and (value in values or len(values) < MANY_VALUES):
            values[value] += 1
    if not count:
        raise DayoneError(f"The table {table.path} is empty: it has a header and no rows.")
    _check_target(table, values)


def _rows(path: Path) -> Iterator[list[str]]:
    """The rows of a CSV file, without blank lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.reader(_refuse_nul(file, path), strict=True):
                if row:
                    yield row
    except UnicodeDecodeError as error:
        raise DayoneError(f"{path} is not a CSV file in UTF-8: {error.reason}.") from error
    except csv.Error as error:
        raise DayoneError(f"{path} is cut short or not a CSV file: {error}.") from error


def _refuse_nul(lines: Iterator[str], path: Path) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise DayoneError(f"{path} is not a CSV file: it holds binary data.")
        yield line


def _check_header(table: Table, header: list[str]) -> None:
    if len(header) == 1 and (";" in header[0] or "\t" in header[0]):
        raise DayoneError(f"{table.path} does not use commas: save it as a comma-separated table.")
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DayoneError(f"{table.path} has more than one column named {twice[0]!r}.")
    for role, name in (("target", table.target), ("time", table.time), ("id", table.id)):
        if name is not None and name not in header:
            near = difflib.get_close_matches(name, header, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(header[:20])}."
            raise DayoneError(f"{table.path} has no column {name!r} for the {role}; {hint}")
    if table.target in {table.time, table.id}:
        raise DayoneError(
            f"The column {table.target!r} cannot be the target and something else too."
        )


def _check_target(table: Table, values: Counter[str]) -> None:
    """Refuse a target with nothing to learn from; only so many values were counted."""
    if not values:
        raise DayoneError(f"The target {table.target!r} has no values.")
    if len(values) == 1:
        raise DayoneError(
            f"The target {table.target!r} is constant: every row has {next(iter(values))!r}."
        )
    if len(values) < MANY_VALUES and _are_classes(table.task, values):
        lonely = [value for value, count in values.items() if count == 1]
        if lonely:
            raise DayoneError(
                f"The target {table.target!r} has a class of one row: {lonely[0]!r}. "
                "Leave out such rows, or join the class with another."
            )


def _are_classes(task: str | None, values: Counter[str]) -> bool:
    """Whether the target is surely a class: said so, text, or a few whole numbers that repeat."""
    if task is not None:
        return task != "regression"
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return True
    few = len(numbers) <= FEW_NUMBERS and len(numbers) * 2 <= values.total()
    return few and all(number.is_integer() for number in numbers)
