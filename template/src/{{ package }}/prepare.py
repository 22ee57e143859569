"""From validated datasets to the training table, and its split into train, valid and test."""

from datetime import timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from .contract import Column, Contract
from .errors import ProjectError
from .params import Params
from .settings import PREPARED, VALID
from .validate import TYPES

SQL = Path("sql/training.sql")
PARTS = ("train", "valid", "test")


class PrepareError(ProjectError):
    """sql/training.sql does not give a table that can be trained on."""


def training_table(sql: Path, valid: Path, contract: Contract) -> pl.DataFrame:
    """Run the SQL over the validated datasets, each a view with the dataset's name."""
    with duckdb.connect() as connection:
        for dataset in sorted(valid.glob("*.parquet")):
            # A view takes no parameters, so the quotes are doubled by hand.
            name, path = dataset.stem.replace('"', '""'), str(dataset).replace("'", "''")
            connection.execute(f"""CREATE VIEW "{name}" AS FROM read_parquet('{path}')""")
        try:
            table = connection.sql(sql.read_text(encoding="utf-8")).pl()
        except duckdb.Error as error:
            raise PrepareError(f"{sql}: {error}") from None
    used = [column for column in contract.columns if column.role in ("id", "time", "feature")]
    used.append(contract.target)
    if missing := [column.name for column in used if column.name not in table.columns]:
        raise PrepareError(f"{sql} gives no column {', '.join(missing)}")
    if unknown := table[contract.target.name].null_count():
        raise PrepareError(f"{sql} gives {unknown} rows without {contract.target.name}")
    return _sorted(table.select(_plain(column) for column in used), contract)


def _plain(column: Column) -> pl.Expr:
    return pl.col(column.name).cast(TYPES[column.type])


def _sorted(table: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    order = [column.name for column in (contract.time, contract.id) if column is not None]
    return table.sort(order, maintain_order=True) if order else table


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


def run(contract: Contract, params: Params) -> dict[str, pl.DataFrame]:
    """Build the training table and write its parts to data/prepared."""
    table = newest(training_table(SQL, VALID, contract), contract, params.data.window_days)
    parts = split(table, contract, params)
    PREPARED.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        part.write_parquet(PREPARED / f"{name}.parquet", compression="zstd")
    return parts
