"""Tables in files, batch by batch: CSV, TSV, Parquet and JSON lines, the text also compressed."""

import csv
import errno
import re
from collections.abc import Callable, Iterator
from io import BufferedReader, StringIO, TextIOWrapper
from pathlib import Path
from typing import Literal

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from .. import duck
from . import BATCH_ROWS, Batch, Position, Reading, SourceError, json_rows

Encoding = Literal["utf-8", "utf-16", "latin-1"]

SEPARATORS = {".csv": ",", ".tsv": "\t"}
JSON_LINES = (".jsonl", ".ndjson")
COMPRESSED = (".gz", ".zst")
TARGET = re.compile(r"[^*?\[]*\*?[^*?\[/]*\.parquet")
# A line that is longer is no row: most often a quote is not closed, or it is no such file.
LINE_BYTES = 16 * 1024**2
BATCH_BYTES = 64 * 1024**2
CSV = """
    FROM read_csv(
        $path, columns = {columns}, header = true, delim = $separator, encoding = $encoding,
        quote = '"', escape = '"', max_line_size = $line_bytes, auto_detect = false,
        strict_mode = true, null_padding = false, hive_partitioning = false
    )
"""
NOT_TEXT = "its bytes are no text in the encoding that params.yaml says, or in UTF-8"
# What DuckDB says of a CSV also shows the line, which may be a person's.
CSV_FAULT = re.compile(
    r"^(Expected Number of Columns.*|Value with unterminated quote found|Invalid unicode.*"
    r"|Maximum line size.*|.*state machine.*)",
    re.MULTILINE,
)


def read(
    path: Path, separator: str | None = None, encoding: Encoding = "utf-8"
) -> Iterator[pl.DataFrame]:
    """The rows of a file in their order; a CSV and JSON lines arrive as text.

    Raises SourceError when it is not a whole table.
    """
    suffix = _suffix(path)
    try:
        if suffix in SEPARATORS:
            yield from _csv(path, separator or SEPARATORS[suffix], encoding)
        elif suffix in JSON_LINES:
            yield from _json_lines(path)
        elif path.suffix == ".parquet":
            # Buffering ahead would hold all of the file.
            with pq.ParquetFile(path, pre_buffer=False) as file:
                for batch in file.iter_batches(BATCH_ROWS):
                    yield pl.DataFrame(pl.from_arrow(batch))
        else:
            raise SourceError(
                f"{path} is neither .csv, .tsv, .jsonl nor .parquet (the text also .gz or .zst)"
            )
    except (pa.ArrowException, pl.exceptions.PolarsError, duckdb.Error, OSError, EOFError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise SourceError(f"{path} cannot be read as a table: {_reason(error)}") from None
    except (UnicodeError, csv.Error) as error:
        raise SourceError(f"{path} cannot be read as a table: {error}") from None


def reading(
    found: dict[str, str], after: Position | None, rows: Callable[[str], Iterator[pl.DataFrame]]
) -> Reading:
    """What is new in files, of which each has a tag that changes when it does, by its name.

    That is the files that were not there, or all when one that was read has changed or is gone. The
    position has the tag of each that was read.
    """
    known = after or {}
    anew = any(found.get(name) != tag for name, tag in known.items())
    documents = any(_suffix(Path(name)) in JSON_LINES for name in found)
    return Reading(_batches(found, {} if anew else known, rows), anew, documents)


def _batches(
    found: dict[str, str], known: Position, rows: Callable[[str], Iterator[pl.DataFrame]]
) -> Iterator[Batch]:
    for name, tag in found.items():
        if name not in known:
            for table in rows(name):
                yield Batch(table, None)
            known = known | {name: tag}
            yield Batch(pl.DataFrame(), known)


def target(pattern: str, name: str) -> str:
    """The Parquet file that a pattern names for a table; raise SourceError when it names none."""
    if not TARGET.fullmatch(pattern):
        raise SourceError(
            f"{pattern} names no Parquet file to write: it ends in .parquet, where a * stands for "
            "the name of the table that was scored, as in late/*.parquet"
        )
    return pattern.replace("*", name)


def _suffix(path: Path) -> str:
    return Path(path.stem).suffix if path.suffix in COMPRESSED else path.suffix


def _csv(path: Path, separator: str, encoding: Encoding) -> Iterator[pl.DataFrame]:
    names = _header(path, separator, encoding)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SourceError(f"{path} has the column {', '.join(map(repr, twice))} more than once")
    # DuckDB would take "a" and "A" for the same name.
    columns = ", ".join(f"'{number}': 'VARCHAR'" for number in range(len(names)))
    with duck.connect() as connection:
        rows = connection.sql(
            CSV.format(columns=f"{{{columns}}}"),
            params={
                # It would take the name for a pattern.
                "path": re.sub(r"[*?\[]", r"[\g<0>]", str(path)),
                "separator": separator,
                "encoding": encoding,
                "line_bytes": LINE_BYTES,
            },
        )
        for batch in rows.to_arrow_reader(BATCH_ROWS):
            yield pl.DataFrame(pl.from_arrow(batch.rename_columns(names)))


def _header(path: Path, separator: str, encoding: Encoding) -> list[str]:
    known = "utf-8-sig" if encoding == "utf-8" else encoding
    # What is no text further down is DuckDB's to find, with its line.
    with TextIOWrapper(_open(path), known, "surrogateescape", newline="") as file:
        start = StringIO(file.read(LINE_BYTES // 16), newline="")
    names = next(csv.reader(start, delimiter=separator), [])
    if not names:
        raise SourceError(f"{path} cannot be read as a table: it is empty")
    if any("\ud800" <= letter <= "\udfff" for name in names for letter in name):
        raise SourceError(f"{path}, line 1: {NOT_TEXT}")
    return names


def _open(path: Path) -> BufferedReader:
    return BufferedReader(pa.input_stream(str(path), compression="detect"))


def _json_lines(path: Path) -> Iterator[pl.DataFrame]:
    objects, size = [], 0
    with _open(path) as file:
        for number, line in enumerate(iter(lambda: file.readline(LINE_BYTES + 1), b""), start=1):
            if len(line) > LINE_BYTES:
                raise SourceError(f"{path}, line {number}: longer than {LINE_BYTES:,} bytes")
            if not line.strip():
                continue
            objects.append(_object(line, f"{path}, line {number}"))
            size += len(line)
            if len(objects) >= BATCH_ROWS or size >= BATCH_BYTES:
                yield json_rows.table(objects)
                objects, size = [], 0
    if objects:
        yield json_rows.table(objects)


def _object(line: bytes, where: str) -> dict[str, object]:
    try:
        value = json_rows.parse(line)
    except ValueError as error:
        raise SourceError(f"{where}: {error}") from None
    if not isinstance(value, dict):
        raise SourceError(f"{where}: not a JSON object")
    return value


def _reason(error: BaseException) -> str:
    text = str(error)
    line = re.search(r"CSV Error on Line: (\d+)", text)
    if found := CSV_FAULT.search(text):
        fault = NOT_TEXT if found[1].startswith("Invalid unicode") else found[1]
        return f"line {line[1]}: {fault}" if line else fault
    return (text.strip() or repr(error)).splitlines()[0]
