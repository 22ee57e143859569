"""Columns of the contract as fields of a pydantic model: types, and rules of severity error."""

import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from .contract import Column, Rule

MAX_TEXT = 1_000


def breaks(rule: Rule, value: Any) -> bool:
    if value is None:
        return False
    return (
        (rule.values is not None and value not in rule.values)
        or (rule.minimum is not None and value < rule.minimum)
        or (rule.maximum is not None and value > rule.maximum)
        or (rule.pattern is not None and re.search(rule.pattern, value) is None)
    )


def field(column: Column) -> tuple[Any, Any]:
    errors = [rule for rule in column.rules if rule.severity == "error"]
    kind: Any = _type(column.type)
    extra: dict[str, Any] = {}
    for rule in errors:
        kind = Annotated[kind, AfterValidator(_enforce(rule))]
        extra |= _json_limits(rule)
    options: dict[str, Any] = {
        "alias": column.name,
        "title": column.name,
        "description": column.description or None,
        "json_schema_extra": extra,
    }
    # A caller may leave out the id: it only helps to find the prediction again.
    if column.required and column.role != "id":
        return kind, Field(**options)
    return kind | None, Field(default=None, **options)


def _type(type: str) -> Any:
    match type:
        case "string":
            return Annotated[str, Field(strict=True, max_length=MAX_TEXT)]
        case "integer":
            limits = Field(ge=-(2**63), lt=2**63)
            return Annotated[int, BeforeValidator(_no_text_or_boolean), limits]
        case "number":
            return Annotated[float, Field(strict=True, allow_inf_nan=False)]
        case "boolean":
            return Annotated[bool, Field(strict=True)]
        case "date":
            return Annotated[date, BeforeValidator(_date)]
        case _:
            return Annotated[datetime, BeforeValidator(_timestamp)]


def _no_text_or_boolean(value: Any) -> Any:
    # 5.0 is an integer in JSON; "5" and true are not.
    if isinstance(value, str | bool):
        raise PydanticCustomError("int_type", "Input should be a valid integer")
    return value


def _date(value: Any) -> date:
    try:
        return value if isinstance(value, date) else date.fromisoformat(value)
    except (TypeError, ValueError):
        raise PydanticCustomError("date_type", "Input should be a date like 2024-01-31") from None


def _timestamp(value: Any) -> datetime:
    """Without an offset a time is taken as it is; with one it is converted to UTC."""
    try:
        time = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return time.astimezone(UTC).replace(tzinfo=None) if time.tzinfo else time
    except (TypeError, ValueError, OverflowError):
        raise PydanticCustomError(
            "datetime_type", "Input should be a time like 2024-01-31T12:00:00"
        ) from None


def _enforce(rule: Rule) -> Callable[[Any], Any]:
    limits = json.dumps(_json_limits(rule), ensure_ascii=False)

    def check(value: Any) -> Any:
        if breaks(rule, value):
            raise PydanticCustomError(
                rule.name,
                "Input breaks the rule {rule}: {limits}",
                {"rule": rule.name, "limits": limits},
            )
        return value

    return check


def _json_limits(rule: Rule) -> dict[str, Any]:
    limits = {
        "minimum": rule.minimum,
        "maximum": rule.maximum,
        "pattern": rule.pattern,
        "enum": None if rule.values is None else [plain(value) for value in rule.values],
    }
    return {key: limit for key, limit in limits.items() if limit is not None}


def plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
