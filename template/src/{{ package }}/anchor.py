"""The anchor: test rows that stay with a model, to ask later models about them."""

from pathlib import Path

import polars as pl

from .contract import Contract
from .errors import ProjectError
from .splits import Split, as_split, spread

NAME = "anchor.parquet"
ROWS = 2_000


class AnchorDamaged(ProjectError):
    """An anchor file is not what the evaluation writes."""


def write(folder: Path, test: pl.DataFrame, contract: Contract) -> None:
    """Keep at most ROWS test rows, evenly spread: inputs as they come in, and the target."""
    columns = [column.name for column in (*contract.inputs, contract.target)]
    rows = test[spread(test.height, ROWS)]
    rows.select(columns).write_parquet(folder / NAME, compression="zstd")


def read(folder: Path, contract: Contract) -> Split | None:
    """The rows in the columns of a contract; None for a model that was made without an anchor.

    Raises AnchorDamaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise AnchorDamaged(f"{path} is damaged: put it back, or train a new model") from None
    return as_split("anchor", table, contract)
