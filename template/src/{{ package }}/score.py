"""Predict every row of a CSV or Parquet file, however long, in batches of bounded size."""

import os
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from . import contract, records
from .blobs import Location
from .columns import from_arrow
from .contract import Column
from .errors import ProjectError
from .model import Label, Model
from .records import Answered

CSV_BYTES = 1024 * 1024
MOST_LOGGED = 10_000
CORES = os.cpu_count() or 1
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
LABELS: dict[type, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}


class ScoreError(ProjectError):
    """The table cannot be scored."""


@dataclass(frozen=True)
class Scored:
    """``model`` is the digest of the one that predicted.

    ``complaint`` says why the predictions are not in the log, if they are not.
    """

    rows: int
    seconds: float
    model: str
    complaint: str | None = None


def score(
    model_folder: Path,
    source: Path,
    output: Path,
    log_store: Location | None = None,
    batch_rows: int = 50_000,
) -> Scored:
    """Write the id, the prediction and the probabilities of each row to a Parquet file.

    With a ``log_store``, at most 10,000 of the rows, evenly spaced, are logged there. Raises
    ScoreError, and leaves ``output`` as it was, when the table does not fit the model.
    """
    started = time.perf_counter()
    model = Model(model_folder)
    log = ScoreLog()
    unfinished = output.with_name(output.name + ".unfinished")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        rows = _score(model, source, unfinished, log, batch_rows)
        unfinished.replace(output)
    except (pa.ArrowException, OSError) as error:
        raise ScoreError(f"{source}: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    complaint = log.ship(log_store) if log_store else None
    return Scored(rows, time.perf_counter() - started, model.digest, complaint)


def id_of(model_folder: Path, source: Path) -> str:
    """The column that says whose each prediction is; raise ScoreError when the table has none."""
    id = contract.load(model_folder / "contract.odcs.yaml").id
    if id is None:
        raise ScoreError("the contract has no mlRole id, so nothing says whose a prediction is")
    try:
        names = _column_names(source)
    except (pa.ArrowException, OSError) as error:
        raise ScoreError(f"{source}: {error}") from None
    if id.name not in names:
        raise ScoreError(f"{source} has no column {id.name}, so nothing says whose a prediction is")
    return id.name


class ScoreLog:
    """Records of evenly spaced rows of a table whose length nobody knows before its end.

    Every ``_stride``-th row is kept; the stride doubles when these would be more than 10,000.
    """

    def __init__(self) -> None:
        self.time = datetime.now(UTC)
        self.request_id = uuid.uuid4().hex
        self._stride = 1
        self._lines: dict[int, bytes] = {}

    def pick(self, first: int, count: int) -> NDArray[np.intp]:
        """Which of the next ``count`` rows to log, after ``first`` rows, counted from 0."""
        while first + count > self._stride * MOST_LOGGED:
            self._stride *= 2
        self._lines = {row: line for row, line in self._lines.items() if row % self._stride == 0}
        return np.arange(-first % self._stride, count, self._stride)

    def add(self, numbers: NDArray[np.intp], answered: Answered) -> None:
        for number, record in zip(numbers.tolist(), records.records(answered), strict=True):
            self._lines[number] = records.line(record | {"row": number})

    def ship(self, store: Location) -> str | None:
        """Put the records into the store; say what is wrong if it does not take them."""
        if not self._lines:
            return None
        lines = b"".join(self._lines.values())
        try:
            records.store(lines, f"score-{self.request_id}", self.time.date().isoformat(), store)
        except OSError as error:
            return f"the predictions are not logged, and will not be observed: {error}"
        return None


def _score(model: Model, source: Path, output: Path, log: ScoreLog, batch_rows: int) -> int:
    names = _column_names(source)
    inputs = model.contract.inputs
    if missing := [column.name for column in inputs if column.name not in names]:
        raise ScoreError(f"{source} has no column {', '.join(missing)}")
    id = model.contract.id
    ids = [id] if id and id.name in names else []
    wanted = [*ids, *inputs]
    rows = 0
    with (
        ThreadPoolExecutor(CORES) as pool,
        pq.ParquetWriter(output, _schema(model, ids, log)) as writer,
    ):
        for batch in _read_batches(source, [column.name for column in wanted], batch_rows):
            columns = {column.name: _typed(batch, column, source, rows) for column in wanted}
            features = model.features(from_arrow(columns, inputs))
            predicted = _predict(pool, model, features)
            answers = [columns[column.name] for column in ids] + _answers(model, predicted)
            writer.write_table(pa.table(answers, schema=writer.schema))
            picked = log.pick(rows, len(batch))
            answered = _answered(model, log, columns, features, predicted, picked)
            log.add(rows + picked, answered)
            rows += len(batch)
    return rows


def _predict(
    pool: ThreadPoolExecutor, model: Model, features: NDArray[np.float32]
) -> NDArray[np.float64]:
    """What the model says of features (n, f), the same to the last bit for any number of cores."""
    pieces = np.array_split(features, max(1, min(CORES, len(features))))
    return np.concatenate(list(pool.map(model.predict_features, pieces)))


def _answered(
    model: Model,
    log: ScoreLog,
    columns: dict[str, pa.Array],
    features: NDArray[np.float32],
    predicted: NDArray[np.float64],
    picked: NDArray[np.intp],
) -> Answered:
    """The picked rows of a batch as if a request had asked for them."""
    rows = pa.table(columns).take(picked).to_pylist()
    output = predicted[picked]
    answers = model.answers(output)
    return Answered(log.time, log.request_id, model, rows, features[picked], output, answers)


def _schema(model: Model, ids: list[Column], log: ScoreLog) -> pa.Schema:
    info = model.info
    label = LABELS[type(info.classes[0])] if info.classes else pa.float64()
    fields = [(column.name, TYPES[column.type]) for column in ids] + [("prediction", label)]
    fields += [(name, pa.float64()) for name in _probability_names(info.classes)]
    metadata = {
        "model": model.digest,
        "model_name": info.name,
        "contract_version": str(model.contract.version),
        "request_id": log.request_id,
        "scored_at": log.time.isoformat(),
    }
    return pa.schema(fields, metadata=metadata)


def _probability_names(classes: list[Label]) -> list[str]:
    if len(classes) == 2:
        return ["probability"]
    return [f"probability_{name}" for name in classes]


def _answers(model: Model, predicted: Any) -> list[pa.Array]:
    answers = [pa.array(model.answers(predicted))]
    if model.info.task == "binary":
        return [*answers, pa.array(predicted[:, 1])]
    if model.info.task == "multiclass":
        return [*answers, *(pa.array(column) for column in predicted.T)]
    return answers


def _column_names(source: Path) -> list[str]:
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


def _read_batches(source: Path, names: list[str], batch_rows: int) -> Iterator[pa.RecordBatch]:
    if source.suffix == ".parquet":
        # Without buffering ahead: it would hold the columns of a whole row group.
        with pq.ParquetFile(source, pre_buffer=False) as file:
            yield from file.iter_batches(batch_rows, columns=names)
        return
    with _open_csv(source, names) as reader:
        for batch in reader:
            for start in range(0, len(batch), batch_rows):
                yield batch.slice(start, batch_rows)


def _typed(batch: pa.RecordBatch, column: Column, source: Path, first: int) -> pa.Array:
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
