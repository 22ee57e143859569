"""Reading what is to be scored: batches of a CSV or Parquet file, in the contract's types."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from .contract import Column
from .errors import ProjectError

CSV_BYTES = 1024 * 1024
TYPES = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
EXPECTED = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "date": "a date like 2024-01-31",
    "timestamp": "a time like 2024-01-31T12:00:00",
}
TRUE, FALSE = ["true", "t", "yes", "y", "1"], ["false", "f", "no", "n", "0"]


class ScoreError(ProjectError):
    """The table cannot be scored."""


def column_names(source: Path) -> list[str]:
    if source.suffix == ".parquet":
        names = pq.read_schema(source).names
    elif {".csv", ".tsv"} & set(source.suffixes):
        with _open_csv(source) as reader:
            names = reader.schema.names
    else:
        raise ScoreError(f"{source} is neither .csv, .tsv nor .parquet")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ScoreError(f"{source} has two columns called {', '.join(twice)}")
    return list(names)


def _open_csv(source: Path, names: list[str] | None = None) -> pyarrow.csv.CSVStreamingReader:
    # As text: what a value means is for the contract to say, not for its looks.
    options = pyarrow.csv.ConvertOptions(
        include_columns=names,
        column_types=dict.fromkeys(names or [], pa.string()),
        null_values=[""],
        strings_can_be_null=True,
    )
    delimiter = "\t" if ".tsv" in source.suffixes else ","
    return pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(block_size=CSV_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=options,
    )


def read_batches(source: Path, names: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    if source.suffix == ".parquet":
        # Without buffering ahead: it would hold the columns of a whole row group.
        with pq.ParquetFile(source, pre_buffer=False) as file:
            yield from file.iter_batches(batch_rows, columns=names)
        return
    with _open_csv(source, names) as reader:
        for batch in reader:
            for start in range(0, len(batch), batch_rows):
                yield batch.slice(start, batch_rows)


def typed(batch: pa.RecordBatch, column: Column, source: Path, first: int) -> pa.Array:
    """The values of a column in the contract's type; ``first`` rows came before this batch."""
    values = batch[column.name]
    try:
        return _convert(values, column.type)
    except pa.ArrowException:
        row = _first_wrong(values, column.type)
        raise ScoreError(
            f"{source}: column {column.name}, row {first + row + 1}: "
            f"{values[row].as_py()!r} is not {EXPECTED[column.type]}"
        ) from None


def _first_wrong(values: pa.Array, type: str) -> int:
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            _convert(values[low:middle], type)
            low = middle
        except pa.ArrowException:
            high = middle
    return low


def _convert(values: pa.Array, type: str) -> pa.Array:
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), None, values)
    if type == "string" or not _is_text(values.type):
        return values.cast(TYPES[type])
    text = pc.utf8_trim_whitespace(values.cast(pa.string()))
    text = pc.if_else(pc.equal(text, ""), None, text)
    if type == "boolean":
        lower = pc.utf8_lower(text)
        text = pc.if_else(pc.is_in(lower, pa.array(TRUE)), "true", text)
        text = pc.if_else(pc.is_in(lower, pa.array(FALSE)), "false", text)
    elif type == "integer":
        return _first_that_fits(text, [pa.int64()], [pa.float64(), pa.int64()])  # "3.0" is one
    elif type == "timestamp":
        return _first_that_fits(text, [TYPES[type]], [pa.timestamp("us", "UTC"), TYPES[type]])
    return text.cast(TYPES[type])


def _is_text(type: pa.DataType) -> bool:
    value = type.value_type if pa.types.is_dictionary(type) else type
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _first_that_fits(text: pa.Array, *ways: list[pa.DataType]) -> pa.Array:
    """Cast in the first of these ways that every value allows, type after type."""
    for way in ways[:-1]:
        try:
            return _cast(text, way)
        except pa.ArrowInvalid:
            continue
    return _cast(text, ways[-1])


def _cast(values: pa.Array, way: list[pa.DataType]) -> pa.Array:
    for type in way:
        values = values.cast(type)
    return values
