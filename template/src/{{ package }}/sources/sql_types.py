"""Rows of a database as polars has them, in the types that the database declares.

So a column has one type in every batch, whatever is missing in it. Whole numbers, floats, booleans,
dates, times and bytes keep their type, times with a zone become UTC; a number of declared scale is
a Decimal. What has no counterpart is text: a number of any scale as its digits, JSON and arrays as
JSON, a UUID as it is written, MySQL's bytes in hexadecimal.
"""

import json
from collections.abc import Sequence
from typing import Any

import polars as pl
from psycopg.postgres import types as postgres
from pymysql.constants import FIELD_TYPE

from . import SourceError

Type = pl.DataType | type[pl.DataType]
TIME, TIME_IN_UTC = pl.Datetime("us"), pl.Datetime("us", "UTC")
DIGITS = 38

POSTGRES: dict[str, Type] = {
    "bool": pl.Boolean,
    "bytea": pl.Binary,
    "date": pl.Date,
    "float4": pl.Float64,
    "float8": pl.Float64,
    "int2": pl.Int64,
    "int4": pl.Int64,
    "int8": pl.Int64,
    "time": pl.Time,
    "timestamp": TIME,
    "timestamptz": TIME_IN_UTC,
}
MYSQL: dict[int, Type] = {
    FIELD_TYPE.DATE: pl.Date,
    FIELD_TYPE.DATETIME: TIME,
    FIELD_TYPE.DOUBLE: pl.Float64,
    FIELD_TYPE.FLOAT: pl.Float64,
    FIELD_TYPE.INT24: pl.Int64,
    FIELD_TYPE.LONG: pl.Int64,
    FIELD_TYPE.LONGLONG: pl.Int64,
    FIELD_TYPE.SHORT: pl.Int64,
    FIELD_TYPE.TIMESTAMP: TIME_IN_UTC,  # the session's zone is UTC
    FIELD_TYPE.TINY: pl.Int64,  # also what MySQL calls a boolean
    FIELD_TYPE.YEAR: pl.Int64,
}
DATABASES: dict[str, tuple[dict[int, Type], int]] = {
    "postgresql": (
        {postgres[name].oid: dtype for name, dtype in POSTGRES.items()},
        postgres["numeric"].oid,
    ),
    "mysql": (MYSQL, FIELD_TYPE.NEWDECIMAL),
}


def frame(rows: Sequence[Sequence[Any]], description: Any, database: str) -> pl.DataFrame:
    """Rows of a DB-API cursor and its description; raise SourceError when one does not fit."""
    columns = []
    for at, (name, code, _, _, precision, scale, _) in enumerate(description):
        dtype = _type(code, precision, scale, database)
        values = [row[at] for row in rows]
        if dtype is pl.String:
            values = [_text(value) for value in values]
        try:
            columns.append(pl.Series(name, values, dtype=dtype))
        except (pl.exceptions.PolarsError, TypeError, OverflowError) as error:
            reason = str(error).strip().splitlines()[0]
            raise SourceError(f"{name} has a value that is no {dtype}: {reason}") from None
    try:
        return pl.DataFrame(columns)
    except pl.exceptions.DuplicateError:
        raise SourceError("two columns have the same name: name them apart in the query") from None


def _type(code: int, precision: int | None, scale: int | None, database: str) -> Type:
    types, decimal = DATABASES[database]
    if code == decimal and precision and scale is not None and 0 <= scale <= precision <= DIGITS:
        return pl.Decimal(DIGITS, scale)
    return types.get(code, pl.String)


def _text(value: Any) -> str | None:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    if isinstance(value, bytes):
        return value.hex()
    return None if value is None else str(value)
