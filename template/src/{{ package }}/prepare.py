"""From validated datasets to the training table, and its split into train, valid and test."""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from . import duck, parquet
from .contract import Column, Contract
from .errors import ProjectError
from .params import Params
from .settings import PREPARED, VALID
from .validate import ROW, TYPES

SQL = Path("sql/training.sql")
PARTS = ("train", "valid", "test")


class PrepareError(ProjectError):
    """sql/training.sql does not give a table that can be trained on."""


def training_table(sql: Path, valid: Path, contract: Contract, path: Path) -> None:
    """Write what the SQL makes of the validated datasets, each a view with the dataset's name.

    The rows are in the order of time and id; no more of them than a piece is in memory.
    """
    with duck.connect() as connection:
        for dataset in sorted(valid.glob("*.parquet")):
            # A view takes no parameters, so the quotes are doubled by hand.
            name, file = _quoted(dataset.stem), str(dataset).replace("'", "''")
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{file}')")
        try:
            rows = connection.sql(sql.read_text(encoding="utf-8"))
            if rows is None:
                raise PrepareError(f"{sql} gives no table: it must end with a query")
            _write_sorted(rows, sql, contract, path)
        except (duckdb.Error, OSError) as error:
            # An error while rows are being fetched is no duckdb.Error.
            raise PrepareError(f"{sql}: {error}") from None


def _write_sorted(rows: duckdb.DuckDBPyRelation, sql: Path, contract: Contract, path: Path) -> None:
    used = [column for column in contract.columns if column.role in ("id", "time", "feature")]
    used.append(contract.target)
    if missing := [column.name for column in used if column.name not in rows.columns]:
        raise PrepareError(f"{sql} gives no column {', '.join(missing)}")
    names = ", ".join(_quoted(column.name) for column in used)
    order = [column for column in (contract.time, contract.id) if column is not None]
    if order:
        # Rows with equal keys stay in their order.
        keys = ", ".join(f"{_quoted(column.name)} NULLS FIRST" for column in order)
        numbered = rows.project(f"{names}, row_number() OVER () AS {_quoted(ROW)}")
        rows = numbered.order(f"{keys}, {_quoted(ROW)}")
    unknown = 0
    with parquet.Writer(path, {column.name: TYPES[column.type] for column in used}) as table:
        for batch in rows.project(names).to_arrow_reader(parquet.GROUP_ROWS):
            piece = pl.DataFrame(pl.from_arrow(batch))
            unknown += piece[contract.target.name].null_count()
            table.write(piece.select(_plain(column) for column in used))
        if unknown:
            raise PrepareError(f"{sql} gives {unknown} rows without {contract.target.name}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(column: Column) -> pl.Expr:
    return pl.col(column.name).cast(TYPES[column.type])


def newest(table: pl.DataFrame, contract: Contract, days: float | None) -> pl.DataFrame:
    """The rows whose time is within so many days of the newest one's; all for None.

    Raises PrepareError when there are days to count, and no time to count them by.
    """
    if days is None:
        return table
    if contract.time is None:
        raise PrepareError(
            "data.window_days in params.yaml wants the newest rows, and no column of the contract "
            "has the mlRole time: remove it, or name the column"
        )
    time = pl.col(contract.time.name)
    return table.filter(time > time.max() - timedelta(days=days))


def split(table: pl.DataFrame, contract: Contract, params: Params) -> dict[str, pl.DataFrame]:
    """Cut n rows into train, valid and test: by time where there is one, else at random.

    By time, the newest rows are the test and equal times stay on one side: a model is judged on
    what comes after it. At random, each class keeps its share.
    """
    if contract.time is not None:
        parts = by_time(table[contract.time.name].to_numpy(), params)
    else:
        classes = None if params.task == "regression" else table[contract.target.name].to_numpy()
        parts = at_random(table.height, classes, params)
    for name, rows in parts.items():
        if len(rows) == 0:
            raise PrepareError(f"{table.height} rows are too few: none is left for {name}")
    return {name: table[rows] for name, rows in parts.items()}


def by_time(times: NDArray[np.datetime64], params: Params) -> dict[str, NDArray[np.intp]]:
    rows = np.arange(len(times))
    if len(times) == 0:
        raise PrepareError("there is no row to train on")
    if np.isnat(times).any():
        raise PrepareError("a row without a time cannot be placed before or after another")
    cuts = [1 - params.split.valid - params.split.test, 1 - params.split.test]
    first = [np.searchsorted(times, times[int(len(times) * cut)]) for cut in cuts]
    return dict(zip(PARTS, np.split(rows, first), strict=True))


def at_random(
    count: int, classes: NDArray[np.generic] | None, params: Params
) -> dict[str, NDArray[np.intp]]:
    rows = np.arange(count)
    seed = int(np.random.default_rng(params.seed).integers(2**31))
    try:
        rest, test = train_test_split(
            rows, test_size=params.split.test, stratify=classes, random_state=seed
        )
        share = params.split.valid / (1 - params.split.test)
        kept = None if classes is None else classes[rest]
        train, valid = train_test_split(rest, test_size=share, stratify=kept, random_state=seed)
    except ValueError as error:
        raise PrepareError(f"the table cannot be split: {error}") from None
    return {"train": np.sort(train), "valid": np.sort(valid), "test": np.sort(test)}


def run(contract: Contract, params: Params) -> dict[str, int]:
    """Build the training table and write its parts to data/prepared; return their rows."""
    whole = PREPARED / "table.unfinished"
    try:
        training_table(SQL, VALID, contract, whole)
        keys = newest(_keys(whole, contract, params), contract, params.data.window_days)
        rows = {name: part[ROW].to_numpy() for name, part in split(keys, contract, params).items()}
        write_parts(whole, rows)
    finally:
        whole.unlink(missing_ok=True)
    return {name: len(part) for name, part in rows.items()}


def _keys(table: Path, contract: Contract, params: Params) -> pl.DataFrame:
    """What the rows are split by, and their numbers: that much of them fits into memory."""
    column = contract.time or contract.target
    keys = pl.read_parquet(table, columns=[column.name]).with_row_index(ROW)
    if contract.time is None and column.type == "string":
        return keys.with_columns(pl.col(column.name).rank("dense"))
    return keys


def write_parts(table: Path, rows: dict[str, NDArray[np.uint32]]) -> None:
    """Write the rows of these numbers to data/prepared, a file for each name."""
    part_of = np.full(parquet.count(table), len(rows), np.uint8)
    for number, chosen in enumerate(rows.values()):
        part_of[chosen] = number
    schema = pl.read_parquet_schema(table)
    with ExitStack() as stack:
        paths = [PREPARED / f"{name}.parquet" for name in rows]
        parts = [stack.enter_context(parquet.Writer(path, schema)) for path in paths]
        first = 0
        for piece in parquet.read([table]):
            here = part_of[first : first + piece.height]
            first += piece.height
            for number, part in enumerate(parts):
                part.write(piece.filter(pl.Series(here == number)))
