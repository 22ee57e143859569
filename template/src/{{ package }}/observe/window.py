"""The logged predictions of one model in a span of time, a bounded number of them in memory."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import blobs, records
from ..blobs import Location
from ..columns import TIMES, Columns, from_rows
from ..contract import Column
from ..labels import Key, text
from ..model import Model
from ..records import is_logged

MOST_ROWS = 10_000


@dataclass(frozen=True)
class Row:
    """A logged prediction. ``inputs`` are as JSON has them, without the sensitive ones."""

    time: datetime
    request_id: str
    number: int
    id: Any
    inputs: dict[str, Any]
    features: NDArray[np.float64]
    output: NDArray[np.float64]

    def key(self, by_request: bool) -> Key:
        """What a label of this row is joined by."""
        return (self.request_id, self.number) if by_request else (text(self.id), 0)


@dataclass(frozen=True)
class Window:
    """Predictions from ``since`` until ``until``, the newest last.

    ``rows`` are all of them, or 10,000 drawn at random; ``earlier`` the same of those that were
    made before, and whose labels may have come only now. ``others`` are of other models in the
    window, ``unreadable`` what is no whole record.
    """

    since: datetime
    until: datetime
    count: int
    rows: list[Row]
    earlier: list[Row]
    others: int
    unreadable: int

    @property
    def features(self) -> NDArray[np.float64]:
        return np.array([row.features for row in self.rows])

    @property
    def output(self) -> NDArray[np.float64]:
        return np.array([row.output for row in self.rows])


def read(
    store: Location, model: Model, until: datetime, hours: float, earlier: timedelta, seed: int = 0
) -> Window:
    """The predictions of the last hours, and of the time ``earlier`` before them."""
    since = until - timedelta(hours=hours)
    first = since - earlier
    recent, before = Drawn(seed), Drawn(seed)
    others = unreadable = 0
    for line in _lines(store, first.date(), until.date()):
        try:
            record = json.loads(line)
            time = datetime.fromisoformat(record["time"])
            digest = record["model"]
            inside = first <= time <= until
            row = _row(record, time, model) if inside and digest == model.digest else None
        except (ValueError, TypeError, KeyError):
            unreadable += 1
            continue
        if row is not None:
            (recent if time >= since else before).add(row)
        elif inside and time >= since:
            others += 1
    rows, earlier_rows = (sorted(drawn.rows, key=_order) for drawn in (recent, before))
    return Window(since, until, recent.count, rows, earlier_rows, others, unreadable)


def _order(row: Row) -> tuple[datetime, str, int]:
    return row.time, row.request_id, row.number


class Drawn:
    """At most 10,000 of any number of rows, each with the same chance (Vitter 1985)."""

    def __init__(self, seed: int) -> None:
        self.count = 0
        self.rows: list[Row] = []
        self._rng = np.random.default_rng(seed)

    def add(self, row: Row) -> None:
        self.count += 1
        if len(self.rows) < MOST_ROWS:
            self.rows.append(row)
        elif (place := int(self._rng.integers(self.count))) < MOST_ROWS:
            self.rows[place] = row


def _lines(store: Location, first: date, last: date) -> Iterator[bytes]:
    """Every line of these days; a file that is cut short gives what can be read of it."""
    for folder, day in records.days(store):
        if first <= day <= last:
            for segment in records.segments(store, folder):
                try:
                    content = blobs.at(store).read(segment.name).content
                    with gzip.open(io.BytesIO(content)) as lines:
                        yield from lines
                except FileNotFoundError:
                    continue  # retention or erasure has just taken it away
                except blobs.BlobError:
                    raise
                except (OSError, EOFError, zlib.error):
                    yield b""


def _row(record: dict[str, Any], time: datetime, model: Model) -> Row:
    """Raises ValueError, TypeError or KeyError when the record is not one of this model."""
    features = np.array(record["features"], dtype=np.float64)
    output = np.array(record["output"], dtype=np.float64)
    wanted = () if model.info.task == "regression" else (len(model.info.classes),)
    if features.shape != (len(model.info.features),) or output.shape != wanted:
        raise ValueError
    inputs = {column.name: record["inputs"][column.name] for column in logged_inputs(model)}
    return Row(time, record["request_id"], record["row"], record["id"], inputs, features, output)


def logged_inputs(model: Model) -> list[Column]:
    return [column for column in model.contract.inputs if is_logged(column)]


def columns(rows: list[Row], model: Model) -> Columns:
    """The inputs of rows; what is sensitive is missing."""
    times = [column.name for column in logged_inputs(model) if column.type in TIMES]
    typed = [{**row.inputs, **{name: _time(row.inputs[name]) for name in times}} for row in rows]
    return from_rows(typed, model.contract.inputs)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)
