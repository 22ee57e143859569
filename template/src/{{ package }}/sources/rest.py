"""Rows of a JSON API over HTTP (see api.Options); values come as text (see json_rows)."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

import polars as pl

from . import BATCH_ROWS, SEEN, Batch, Position, Reading, SourceError, api, json_rows
from .api import Options, Row


def read(options: Options, after: Position | None) -> Reading:
    """All rows anew, or with ``since_field`` what is new: rows whose value in it is not below."""
    if options.since_field:
        batches = _new(options, options.since_field, after)
        return Reading(batches, anew=False, documents=True)
    return Reading(_all(options), anew=True, documents=True)


def _all(options: Options) -> Iterator[Batch]:
    rows: list[Row] = []
    done = 0
    for page in api.pages(options, {}):
        rows += page
        done += len(page)
        if len(rows) >= BATCH_ROWS:
            yield Batch(json_rows.table(rows), {"rows": done})
            rows = []
    if rows:
        yield Batch(json_rows.table(rows), {"rows": done})


def _new(options: Options, field: str, after: Position | None) -> Iterator[Batch]:
    """The position has the largest value so far, and the digests of the rows that have it.

    An API may give rows in any order, but a reading can only be taken up again among sorted ones:
    so all that is new is held in memory first. No batch ends between rows of the same value.
    """
    tables: list[pl.DataFrame] = []
    values: list[Any] = []
    digests: list[str] = []
    for page in api.pages(options, {options.since_param: after["since"]} if after else {}):
        tables.append(json_rows.table(page))
        values += [row.get(field) for row in page]
        digests += map(_digest, page)
    keys = _keys(options, [*values, after["since"]] if after else values)
    known = {(keys[-1], digest) for digest in after[SEEN]} if after else set()
    new = sorted(
        (key, digest, row)
        for row, (key, digest) in enumerate(zip(keys, digests, strict=False))
        if not after or (key >= keys[-1] and (key, digest) not in known)
    )
    if not new:
        return
    rows = pl.concat(tables, how="diagonal")
    batch: list[int] = []
    for key, group in groupby(new, key=itemgetter(0)):
        same = list(group)
        batch += [row for _, _, row in same]
        if len(batch) >= BATCH_ROWS or same[-1] is new[-1]:
            seen = {digest for _, digest, _ in same} | {old for at, old in known if at == key}
            yield Batch(rows[batch], {"since": values[batch[-1]], SEEN: sorted(seen)})
            batch = []


def _digest(row: Row) -> str:
    return hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()[:16]


def _keys(options: Options, values: list[Any]) -> list[Any]:
    """Values in a form that can be compared: numbers, times in ISO 8601, or other text."""
    if all(isinstance(value, int | float) for value in values):
        return values
    if not all(isinstance(value, str) for value in values):
        raise SourceError(
            f"{options.url}: {options.since_field} is not in every row, or not of one type; "
            "without since_field all rows are read every time"
        )
    try:
        times = [datetime.fromisoformat(value) for value in values]
    except ValueError:
        return values
    return [time if time.tzinfo else time.replace(tzinfo=UTC) for time in times]


def write(options: Options, table: pl.DataFrame, key: list[str]) -> None:
    """POST lists of rows; the API must take a row whose key it has as its new value.

    A list that may have arrived is sent again with the same Idempotency-Key.
    """
    rows = json_rows.lines(table)
    with api.client(options) as http:
        for start in range(0, len(rows), options.write_rows):
            body = b"[" + b",".join(rows[start : start + options.write_rows]) + b"]"
            headers = {
                "Content-Type": "application/json",
                "Idempotency-Key": hashlib.sha256(body).hexdigest(),
            }
            request = http.build_request("POST", options.url, content=body, headers=headers)
            api.ask(options, http, request)
