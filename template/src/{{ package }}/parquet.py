"""Parquet files piece by piece, so that a table of any size fits into memory."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl
import pyarrow.parquet as pq

GROUP_ROWS = 100_000

Schema = Mapping[str, pl.DataType | type[pl.DataType]]


class Writer:
    """A file that is there when the block ends without an error, and else is not.

    The same rows give the same bytes, whatever the pieces in which they come.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        self.path = path
        self.schema = pl.Schema(schema)
        self.rows = 0
        self._unfinished = path.with_name(f"{path.name}.unfinished")
        self._waiting: list[pl.DataFrame] = []
        arrow = self.schema.to_frame().to_arrow().schema
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = pq.ParquetWriter(self._unfinished, arrow, compression="zstd")

    def write(self, rows: pl.DataFrame) -> None:
        """Append rows, shape (n, columns), whose columns and types are the file's."""
        self.rows += rows.height
        self._waiting.append(rows)
        if sum(piece.height for piece in self._waiting) < GROUP_ROWS:
            return
        together = pl.concat(self._waiting)
        full = together.height // GROUP_ROWS * GROUP_ROWS
        for first in range(0, full, GROUP_ROWS):
            self._write_group(together[first : first + GROUP_ROWS])
        self._waiting = [together[full:]]

    def _write_group(self, rows: pl.DataFrame) -> None:
        self._file.write_table(rows.to_arrow(), row_group_size=GROUP_ROWS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self.close()
        finally:
            self.drop()

    def close(self) -> None:
        """Put the file into its place."""
        if self._waiting and (rest := pl.concat(self._waiting)).height:
            self._write_group(rest)
        self._waiting = []
        self._file.close()
        with self._unfinished.open("rb") as file:
            os.fsync(file.fileno())
        self._unfinished.replace(self.path)

    def drop(self) -> None:
        """Leave nothing of a file that is not in its place."""
        # The disk may be full.
        with suppress(OSError):
            self._file.close()
        self._unfinished.unlink(missing_ok=True)


def read(
    paths: Sequence[Path], columns: Sequence[str] | None = None, rows: int = GROUP_ROWS
) -> Iterator[pl.DataFrame]:
    """The rows of some files one after another, in pieces; of these columns, or of all."""
    for path in paths:
        # Buffering ahead would hold all of the file.
        with pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(rows, columns=columns):
                yield pl.DataFrame(pl.from_arrow(batch))


def count(path: Path) -> int:
    with pq.ParquetFile(path) as file:
        rows: int = file.metadata.num_rows
    return rows
