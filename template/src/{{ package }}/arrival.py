"""Rows as they arrive: a change of the source's columns is judged before anything of them lands."""

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from .contract import Column, Contract
from .sources import SourceError
from .validate import as_type

# So many values say of a column what it holds; of fewer that cannot be read, validate tells.
ENOUGH = 100
READ = 1_000


class SchemaChanged(SourceError):
    """The source has other columns, or other types, than the contract says."""


def tidied(rows: pl.DataFrame, contract: Contract | None, documents: bool) -> pl.DataFrame:
    """The rows with times in UTC; documents also with what the contract lets them leave out."""
    rows = rows.with_columns(
        cs.datetime(time_zone="*").dt.convert_time_zone("UTC"),
        cs.by_dtype(pl.Categorical, pl.Enum).cast(pl.String),
    )
    if not (documents and contract):
        return rows
    left_out = [
        column.name
        for column in contract.columns
        if column.name not in rows.columns and (not column.required or rows.height < ENOUGH)
    ]
    return rows.with_columns(pl.lit(None, pl.String).alias(name) for name in left_out)


def judge(rows: pl.DataFrame, contract: Contract, landed: Mapping[str, pl.DataType]) -> list[str]:
    """The columns that neither the contract nor what has landed knows.

    Raises SchemaChanged, with column and rule, when one of the contract's is not there or is of
    another type.
    """
    for column in contract.columns:
        if column.name not in rows.columns:
            rule = "required" if column.required else "present"
            raise _changed(contract, column, rule, "the source does not have it")
        if said := _fault(rows[column.name], column, landed.get(column.name)):
            raise _changed(contract, column, "type", said)
    known = {*landed, *(column.name for column in contract.columns)}
    return [name for name in rows.columns if name not in known]


def _changed(contract: Contract, column: Column, rule: str, said: str) -> SchemaChanged:
    return SchemaChanged(
        f"{contract.name}: column {column.name}, rule {rule}: {said}; nothing of it has landed. "
        f"Have the source corrected, or contracts/{contract.name}.odcs.yaml"
    )


def _fault(values: pl.Series, column: Column, landed: pl.DataType | None) -> str:
    """What speaks against values being of the column's type; nothing for single bad ones."""
    if values.dtype == pl.Null:
        return ""
    if not _can_be(values.dtype, column.type):
        return f"{values.dtype} cannot be {column.type}"
    if landed is not None and landed != pl.Null and _family(landed) != _family(values.dtype):
        failed, _ = _count(values, column)
        said = f"it was {landed} and is {values.dtype}, and {failed:,} are no {column.type}"
        return said if failed else ""
    failed, present = _count(values.head(READ), column)
    if failed == present >= ENOUGH:
        failed, present = _count(values, column)
        return f"none of {failed:,} values is of type {column.type}" if failed == present else ""
    return ""


def _count(values: pl.Series, column: Column) -> tuple[int, int]:
    """How many values are not of the column's type, and how many there are."""
    present = values.drop_nulls()
    if values.dtype == pl.String:
        present = present.filter(present.str.strip_chars() != "")
    typed = present.to_frame().select(as_type(column, values.dtype)).to_series()
    return typed.null_count(), len(present)


def _can_be(found: pl.DataType, wanted: str) -> bool:
    family = _family(found)
    if wanted in ("date", "timestamp"):
        return family in ("text", "time")
    if wanted == "boolean":
        return family in ("text", "boolean", "number")
    if wanted in ("integer", "number"):
        return family in ("text", "number", "boolean")
    return family != "nested"


def _family(type: pl.DataType) -> str:
    if type.is_numeric():
        return "number"
    if type == pl.String:
        return "text"
    if type == pl.Boolean:
        return "boolean"
    if type in (pl.Date, pl.Datetime):
        return "time"
    return "nested" if type.is_nested() or type in (pl.Binary, pl.Object) else "other"
