"""What is kept of a prediction: a record of plain values, from a request or a scored table."""

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blobs
from .blobs import Location
from .columns import from_rows
from .contract import Column
from .model import Model

DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})")
SUFFIX = ".jsonl.gz"
SENSITIVE = ("confidential", "restricted", "sensitive")


@dataclass(frozen=True)
class Answered:
    """One answered request: n rows, their features (n, f), the output, and what was answered."""

    time: datetime
    request_id: str
    model: Model
    rows: list[dict[str, Any]]
    features: NDArray[np.float32]
    output: NDArray[np.float64]
    answers: list[Any]


def is_logged(column: Column) -> bool:
    """The rule of what may be kept: no value that the contract calls sensitive."""
    return (column.classification or "").lower() not in SENSITIVE


def records(request: Answered) -> Iterator[dict[str, Any]]:
    contract = request.model.contract
    inputs = [column.name for column in contract.inputs if is_logged(column)]
    features = _logged_features(request, inputs)
    for number, row in enumerate(request.rows):
        yield {
            "time": request.time,
            "request_id": request.request_id,
            "row": number,
            "id": row.get(contract.id.name) if contract.id and is_logged(contract.id) else None,
            "model": request.model.digest,
            "inputs": {name: row[name] for name in inputs},
            "features": [None if value != value else value for value in features[number].tolist()],
            "output": request.output[number].tolist(),
            "prediction": request.answers[number],
        }


def _logged_features(request: Answered, inputs: list[str]) -> NDArray[np.float32]:
    """The features, but computed as if sensitive inputs were missing: nothing tells their value."""
    model = request.model
    if len(inputs) == len(model.contract.inputs):
        return request.features
    rows = [{name: row[name] for name in inputs} for row in request.rows]
    return model.features(from_rows(rows, model.contract.inputs))


def line(record: dict[str, Any]) -> bytes:
    """A record as a line of JSON."""
    return json.dumps(record, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def store(lines: bytes, name: str, day: str, store: Location) -> None:
    """Put lines of one day into the store under this name, whole or not at all."""
    blobs.at(store).write(f"date={day}/{name}{SUFFIX}", gzip.compress(lines))


def days(store: Location) -> Iterator[tuple[str, date]]:
    """The folders of the store, in order, and the day whose records each holds."""
    for folder in blobs.at(store).folders():
        if name := DAY.fullmatch(folder):
            try:
                yield folder, date.fromisoformat(name[1])
            except ValueError:
                continue  # looks like a day and is none


def segments(store: Location, folder: str) -> Iterator[blobs.Listed]:
    """What was put into the store for a day, by name."""
    return (one for one in blobs.at(store).files(f"{folder}/") if one.name.endswith(SUFFIX))
