"""Take the rows of some subjects out of files. A file is replaced as a whole or stays as it was."""

import gzip
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from . import blobs
from .blobs import Location
from .errors import ProjectError
from .sources import files
from .subjects import Subjects

TABLES = (".parquet", ".csv", ".tsv")


class ScrubError(ProjectError):
    """A file cannot be read, so nobody knows whether it holds a subject."""


def tables(places: Iterable[Path]) -> Iterator[Path]:
    """The tables that these files and folders are or hold."""
    for place in places:
        found = sorted(place.rglob("*")) if place.is_dir() else [place]
        yield from (path for path in found if path.suffix in TABLES and path.is_file())


def is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def ids(path: Path, column: str) -> pl.Series | None:
    """The ids of a table, shape (n,); None when it has no such column."""
    try:
        if is_parquet(path):
            with pq.ParquetFile(path) as file:
                if column not in file.schema_arrow.names:
                    return None
                return pl.Series(pl.from_arrow(file.read([column])[column]))
        table = files.scan(path)
        known = table.collect_schema().names()
        return table.select(column).collect().to_series() if column in known else None
    except (pa.ArrowException, pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ScrubError(f"{path} cannot be read: {reason}; repair it or move it away") from None


def holds(path: Path, subjects: Subjects) -> bool:
    values = ids(path, subjects.column.name)
    return values is not None and bool(subjects.among(values).any())


def scrub_table(path: Path, subjects: Subjects) -> int:
    """Remove the subjects from a CSV or Parquet file; return the number of rows that went."""
    values = ids(path, subjects.column.name)
    if values is None:
        return 0
    gone = subjects.among(values)
    if gone.any():
        keep_rows(path, ~gone)
    return int(gone.sum())


def keep_rows(path: Path, kept: pl.Series) -> None:
    """Leave the rows of a table, shape (n,), for which ``kept`` is true."""
    if path.suffix == ".parquet":
        replace(path, lambda new: _write_kept(path, kept, new))
    else:
        rows = files.scan(path).collect().filter(kept)
        separator = "\t" if path.suffix == ".tsv" else ","
        replace(path, lambda new: rows.write_csv(new, separator=separator))


def _write_kept(path: Path, kept: pl.Series, new: Path) -> None:
    """Piece by piece: a table may be larger than memory."""
    with (
        pq.ParquetFile(path, pre_buffer=False) as file,
        pq.ParquetWriter(new, file.schema_arrow, compression="zstd") as writer,
    ):
        first = 0
        for batch in file.iter_batches():
            here = kept[first : first + batch.num_rows]
            first += batch.num_rows
            writer.write_batch(batch.filter(pa.array(here.to_list(), pa.bool_())))


def scrub_log(store: Location, name: str, subjects: Subjects) -> int:
    """Remove the subjects from a shipped segment; return the number of records that went."""
    place = blobs.at(store)
    try:
        lines = gzip.decompress(place.read(name).content).splitlines(keepends=True)
        logged = [json.loads(line).get("id") for line in lines]
    except blobs.BlobError:
        raise
    except (OSError, EOFError, ValueError, AttributeError) as error:
        path = f"{store}/{name}"
        raise ScrubError(f"{path} cannot be read: {error}; repair it or move it away") from None
    text = [None if id is None else str(id) for id in logged]
    gone = subjects.among(pl.Series(text, dtype=pl.String))
    if gone.all():
        place.delete(name)
    elif gone.any():
        rest = b"".join(line for line, out in zip(lines, gone, strict=True) if not out)
        place.write(name, gzip.compress(rest))
    return int(gone.sum())


def replace(path: Path, write: Callable[[Path], object]) -> None:
    """Put what ``write`` writes in the place of a file; also of a link into a cache."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    write(unfinished)
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.replace(path)


def remove_unfinished(places: Iterable[Path]) -> None:
    """Remove what interrupted commands left in these folders: no table, but rows all the same."""
    for place in places:
        for path in place.rglob("*.unfinished"):
            path.unlink(missing_ok=True)
