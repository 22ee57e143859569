"""Tables in files: CSV and Parquet."""

from pathlib import Path

import polars as pl

from ..errors import ProjectError


class SourceError(ProjectError):
    """The source is not there, or is not a table."""


def scan(path: Path) -> pl.LazyFrame:
    """The table, not yet read. A CSV arrives as text: the contract says what its values are."""
    if not path.is_file():
        raise SourceError(f"{path} does not exist: set data.source in params.yaml")
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    if path.suffix in (".csv", ".tsv"):
        separator = "\t" if path.suffix == ".tsv" else ","
        return pl.scan_csv(path, separator=separator, infer_schema=False)
    raise SourceError(f"{path} is neither .csv, .tsv nor .parquet")
