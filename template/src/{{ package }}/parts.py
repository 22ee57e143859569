"""The batches of a source as files: parts, each complete or not there."""

import time
from collections.abc import Generator, Iterable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from . import landing, parquet
from .landing import Part
from .sources import Batch, Position

# A part ends with so many rows, or after so long: no more has to be read again after a kill.
ROWS = 1_000_000
SECONDS = 60.0


def cut(
    batches: Iterable[Batch], folder: Path, number: int
) -> Generator[tuple[list[Part], Position]]:
    """Parts in the folder of a dataset, numbered from ``number``, and the position behind them.

    Those come together that lie between two positions of the source. The last are those that hold
    what is left, or none.
    """
    day = folder / f"landed={datetime.now(UTC):%Y-%m-%d}"
    complete: list[Part] = []
    writer: parquet.Writer | None = None
    position: Position | None = None
    ends = 0.0
    try:
        for batch in batches:
            rows: pl.DataFrame | None = batch.rows
            if batch.rows.height:
                if writer and (rows := _fitted(batch.rows, writer.schema)) is None:
                    complete.append(_complete(writer, folder))
                    writer = None
                if writer is None:
                    writer = parquet.Writer(day / f"part-{number:05}.parquet", batch.rows.schema)
                    number, ends = number + 1, time.monotonic() + SECONDS
                writer.write(batch.rows if rows is None else rows)
            together = batch.position is not None and complete
            if writer and (together or writer.rows >= ROWS or time.monotonic() > ends):
                complete.append(_complete(writer, folder))
                writer = None
            if batch.position is not None:
                position = batch.position
                if complete:
                    yield complete, position
                    complete = []
        if position is not None:
            yield [_complete(writer, folder)] if writer else [], position
    finally:
        if writer:
            writer.drop()


def _fitted(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame | None:
    """The rows with exactly these columns, missing ones empty; None when they have others."""
    for name, type in rows.schema.items():
        if name not in schema or type not in (schema[name], pl.Null):
            return None
    return rows.select(
        pl.col(name).cast(type) if name in rows.columns else pl.lit(None, type).alias(name)
        for name, type in schema.items()
    )


def _complete(writer: parquet.Writer, folder: Path) -> Part:
    writer.close()
    digest = landing.file_digest(writer.path)
    path = writer.path.with_name(f"{writer.path.stem}-{digest[:16]}.parquet")
    writer.path.replace(path)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Part(path.relative_to(folder).as_posix(), writer.rows, digest, {}, now)
