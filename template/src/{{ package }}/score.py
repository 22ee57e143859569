"""Predict every row of a CSV or Parquet file, however long, in batches of bounded size."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .columns import from_arrow
from .contract import Column
from .model import Label, Model
from .score_source import TYPES, ScoreError, column_names, read_batches, typed

LABELS: dict[type, pa.DataType] = {bool: pa.bool_(), int: pa.int64(), str: pa.string()}


@dataclass(frozen=True)
class Scored:
    rows: int
    seconds: float


def score(model_folder: Path, source: Path, output: Path, batch_rows: int = 50_000) -> Scored:
    """Write the id, the prediction and the probabilities of each row to a Parquet file.

    Raises ScoreError, and leaves ``output`` as it was, when the table does not fit the model.
    """
    started = time.perf_counter()
    model = Model(model_folder)
    unfinished = output.with_name(output.name + ".unfinished")
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        rows = _score(model, source, unfinished, batch_rows)
        unfinished.replace(output)
    except (pa.ArrowException, OSError) as error:
        raise ScoreError(f"{source}: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return Scored(rows, time.perf_counter() - started)


def _score(model: Model, source: Path, output: Path, batch_rows: int) -> int:
    names = column_names(source)
    inputs = model.contract.inputs
    if missing := [column.name for column in inputs if column.name not in names]:
        raise ScoreError(f"{source} has no column {', '.join(missing)}")
    id = model.contract.id
    ids = [id] if id and id.name in names else []
    wanted = [*ids, *inputs]
    rows = 0
    with pq.ParquetWriter(output, _schema(model, ids)) as writer:
        for batch in read_batches(source, [column.name for column in wanted], batch_rows):
            columns = {column.name: typed(batch, column, source, rows) for column in wanted}
            predicted = model.predict(from_arrow(columns, inputs))
            answers = [columns[column.name] for column in ids] + _answers(model, predicted)
            writer.write_table(pa.table(answers, schema=writer.schema))
            rows += len(batch)
    return rows


def _schema(model: Model, ids: list[Column]) -> pa.Schema:
    info = model.info
    label = LABELS[type(info.classes[0])] if info.classes else pa.float64()
    fields = [(column.name, TYPES[column.type]) for column in ids] + [("prediction", label)]
    fields += [(name, pa.float64()) for name in _probability_names(info.classes)]
    metadata = {
        "model": model.digest,
        "model_name": info.name,
        "contract_version": str(model.contract.version),
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
