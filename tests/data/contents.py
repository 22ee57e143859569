"""What is in a remote, whatever it is called there."""

import gzip
from pathlib import Path

import polars as pl


def holds(folder: Path, values: set[str]) -> list[Path]:
    """The files in which one of these values stands: in tables, zipped or plain text."""
    return [path for path in folder.rglob("*") if path.is_file() and _in_file(path, values)]


def _in_file(path: Path, values: set[str]) -> bool:
    content = path.read_bytes()
    if content.startswith(b"PAR1"):
        table = pl.read_parquet(path).select(pl.selectors.string())
        return any(values.intersection(column) for column in table)
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    return any(value.encode() in content for value in values)
