"""Tables that grow, and what is new in them since a position, by a column that grows with them.

A reading asks for the rows whose cursor is at or above a line, the highest cursor read so far less
``lookback``, in the order of cursor and key. Of those that were read before, the position keeps a
digest (64 bits of SHA-256 over cursor and key), by which they are left out. So

- a row is read exactly once if, when it becomes visible, no row has been read whose cursor is more
  than ``lookback`` above its own. Without a lookback that is: rows may come later whose cursors
  equal the highest, not rows below it. A row that is later than that is never read.
- a row that changes is read again, as a further row, if its cursor moves on, and not otherwise.
- a row that is deleted stays read.

The key must tell apart rows of equal cursors. Each batch carries the position behind it, from which
a reading that was killed goes on.
"""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Self

import polars as pl
from pydantic import Field, model_validator

from . import SEEN, Batch, Position, SourceError
from . import Options as AnyOptions

# What a database and Python compare alike; text depends on its collation, a float on its digits.
TYPES: dict[str, Any] = {
    "int": int,
    "Decimal": Decimal,
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
}
DIGEST_BYTES = 8
MOST_SEEN = 1_000_000


class Options(AnyOptions):
    """A table or a query; without a cursor it is read whole each time."""

    table: str | None = None
    query: str | None = None
    cursor: str | None = None
    key: tuple[str, ...] = ()
    # In seconds for a cursor of times, in days for one of dates, else a difference of numbers.
    lookback: float = Field(default=0, ge=0, allow_inf_nan=False)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("name either a table or a query")
        if self.lookback and not self.cursor:
            raise ValueError("lookback needs a cursor")
        return self

    @property
    def of(self) -> str:
        return self.table or self.query or ""

    @property
    def name(self) -> str:
        return f"the table {self.table}" if self.table else "the query"


@dataclass(frozen=True)
class Line:
    """How far a table has been read: new is what is at or above ``low`` and was not seen."""

    key: list[str]
    highest: Any
    low: Any
    seen: frozenset[bytes]


def line(options: Options, after: Position | None) -> Line | None:
    """Where to go on; None when all is to be read, as after a change of table, cursor or key."""
    if not after or options.cursor is None:
        return None
    if (after["of"], after["cursor"]) != (options.of, options.cursor):
        return None
    if options.key and after["key"] != list(options.key):
        return None
    digests = b64decode(after[SEEN])
    seen = (digests[at : at + DIGEST_BYTES] for at in range(0, len(digests), DIGEST_BYTES))
    highest = _decoded(after["highest"])
    # A lookback longer than before must not reach rows of which no digest was kept.
    low = max(_decoded(after["low"]), _below(highest, options.lookback))
    return Line(after["key"], highest, low, frozenset(seen))


def anew(options: Options, after: Position | None) -> bool:
    """Whether a reading stands for all that was read before."""
    return options.cursor is None or (after is not None and line(options, after) is None)


def batches(
    frames: Iterable[pl.DataFrame], options: Options, key: list[str], after: Position | None
) -> Iterator[Batch]:
    """What is new in frames that come in the order of cursor and key.

    Raises SourceError when there is nothing and never was, and for a cursor that is missing in a
    row, lies in the future, or is neither a number, a date nor a time.
    """
    filled = (frame for frame in frames if frame.height)
    found: Iterator[Batch]
    if options.cursor is None:
        found = (Batch(frame, {}) for frame in filled)
    else:
        found = _new(filled, options, options.cursor, key, line(options, after))
    nothing = True
    for batch in found:
        nothing = False
        yield batch
    if nothing and after is None:
        raise SourceError(f"{options.name} has no rows")


def check_written(options: Options, table: pl.DataFrame, key: list[str]) -> None:
    """Raise SourceError when rows cannot be written so that each key has one."""
    if not options.table:
        raise SourceError("rows are written into a table, and this source has a query")
    if not key or not set(key) <= set(table.columns):
        raise SourceError(f"rows are written by a key: {key} must be columns of theirs")
    keys = table.select(key)
    if keys.is_duplicated().any() or sum(keys.null_count().row(0)):
        raise SourceError(f"two rows for {options.name} have the same {key}, or one has none")


def _new(
    frames: Iterable[pl.DataFrame],
    options: Options,
    cursor: str,
    key: list[str],
    start: Line | None,
) -> Iterator[Batch]:
    highest = start.highest if start else None
    seen: frozenset[bytes] = start.seen if start else frozenset()
    recent: dict[bytes, Any] = {}
    for frame in frames:
        _check(frame, [cursor, *key], options)
        top = _top(frame[cursor], options)
        new = frame
        if seen:
            known = [digest in seen for digest in _digests(frame, cursor, key)]
            new = frame.filter(~pl.Series(known, dtype=pl.Boolean))
        if highest is None or _above(top, highest, options):
            # Of the rows that were seen before, none is still to come.
            highest, seen = top, frozenset()
        low = _below(highest, options.lookback)
        low = max(low, start.low) if start else low
        near = frame.filter(pl.col(cursor) >= low)
        recent = {digest: value for digest, value in recent.items() if value >= low}
        recent.update(zip(_digests(near, cursor, key), near[cursor], strict=True))
        if len(recent) + len(seen) > MOST_SEEN:
            raise SourceError(
                f"{options.name} has more than {MOST_SEEN:,} rows of {cursor} {low} to {highest}, "
                "too many to know again: take a finer cursor or a shorter lookback"
            )
        if new.height:
            end = Line(key, highest, low, seen | recent.keys())
            yield Batch(new, _position(options, end))


def _check(frame: pl.DataFrame, columns: list[str], options: Options) -> None:
    if len(columns) == 1:
        raise SourceError(
            f"nothing tells the rows of {options.name} apart: name the columns that do as `key` of "
            "the source in params.yaml"
        )
    if missing := set(columns) - set(frame.columns):
        raise SourceError(f"{options.name} has no column {', '.join(sorted(missing))}")
    if frame[columns[0]].null_count():
        raise SourceError(
            f"{options.name} has rows without {columns[0]}, so that nobody can tell whether they "
            "are new: fill it, or compute a cursor in a query"
        )


def _top(values: pl.Series, options: Options) -> Any:
    top: Any = values.max()
    if type(top).__name__ not in TYPES:
        raise SourceError(
            f"{values.name} of {options.name} is {values.dtype}: a cursor is a whole number, a "
            "decimal of declared scale, a date or a time"
        )
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    if isinstance(top, datetime):
        future = top > (tomorrow if top.tzinfo else tomorrow.replace(tzinfo=None))
    else:
        future = isinstance(top, date) and top > tomorrow.date()
    if future:
        raise SourceError(
            f"{values.name} of {options.name} goes up to {top}, and what comes before that would "
            "never be read: correct it, or leave it out by a query"
        )
    return top


def _above(top: Any, highest: Any, options: Options) -> bool:
    try:
        return bool(top > highest)
    except TypeError:
        raise SourceError(
            f"{options.cursor} of {options.name} has another type than when it was read before: "
            "remove what has landed of it, and it is read anew"
        ) from None


def _below(highest: Any, lookback: float) -> Any:
    try:
        if isinstance(highest, datetime):
            return highest - timedelta(seconds=lookback)
        if isinstance(highest, date):
            return highest - timedelta(days=lookback)
    except OverflowError:
        raise SourceError(f"a lookback of {lookback:g} reaches back before all times") from None
    return highest - (int(lookback) if isinstance(highest, int) else Decimal(str(lookback)))


def _digests(frame: pl.DataFrame, cursor: str, key: list[str]) -> list[bytes]:
    """What tells rows apart: the same for the same row, with every version of every library."""
    return [
        hashlib.sha256(json.dumps(row, default=str).encode()).digest()[:DIGEST_BYTES]
        for row in frame.select(list(dict.fromkeys([cursor, *key]))).iter_rows()
    ]


def _position(options: Options, line: Line) -> Position:
    return {
        "of": options.of,
        "cursor": options.cursor,
        "key": line.key,
        "highest": _encoded(line.highest),
        "low": _encoded(line.low),
        SEEN: b64encode(b"".join(sorted(line.seen))).decode(),
    }


def _encoded(value: Any) -> str:
    return f"{type(value).__name__} {value}"


def _decoded(text: str) -> Any:
    name, _, value = text.partition(" ")
    return TYPES[name](value)
