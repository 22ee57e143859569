"""JSON objects as rows. Values come as text, as those of a CSV do: the contract says what they are.

So a column has one type, whatever the values that happen to be in a batch. Objects and lists
within an object stay JSON; sql/training.sql takes them apart, say with ``place->>'$.city'``.
"""

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any

import polars as pl


def parse(text: str | bytes) -> Any:
    """What a JSON document says; raise ValueError when it is none."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"not JSON: {error}") from None
    except RecursionError:
        raise ValueError("not JSON: nested too deeply") from None


def table(objects: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """One row for each object; a key that an object lacks is a missing value."""
    names = dict.fromkeys(name for item in objects for name in item)
    columns = {_text(name): [_text(item.get(name)) for item in objects] for name in names}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _text(value: Any) -> Any:
    if value is None:
        return None
    kind = type(value)
    if kind is int or kind is float:
        return repr(value)
    text = value if kind is str else _written(value)
    # JSON can escape half a character, which is no text.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _written(value: Any) -> str:
    """A value as JSON writes it; what only Avro has, in the form that is usual."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=_written)
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes):
        return b64encode(value).decode("ascii")
    return str(value)


def lines(rows: pl.DataFrame) -> list[bytes]:
    """Each row as a JSON object, with times in ISO 8601."""
    times = pl.selectors.temporal()
    return rows.with_columns(times.dt.to_string("iso:strict")).write_ndjson().encode().splitlines()
