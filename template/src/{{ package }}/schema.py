"""One row as JSON, checked against the contract: what a request may hold.

Columns of the contract become fields of a pydantic model. Rules of severity ``error`` refuse a row;
what breaks a ``warning`` is only told.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
)
from pydantic_core import PydanticCustomError

from .contract import Column, Contract, Rule
from .errors import ProjectError

MAX_NAME = 100
MAX_TEXT = 1_000
MAX_PROBLEMS = 20
FALLBACKS: Mapping[str, Any] = {
    "string": "text",
    "integer": 1,
    "number": 1.0,
    "boolean": True,
    "date": "2024-01-31",
    "timestamp": "2024-01-31T12:00:00",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with one column of a row, by the name of a rule or of the kind of error."""

    column: str
    rule: str
    message: str


class RowError(ProjectError):
    """A row that the contract does not allow."""

    def __init__(self, problems: list[Problem], number: int | None = None) -> None:
        where = "" if number is None else f"row {number}: "
        super().__init__(where + "; ".join(f"{p.column}: {p.message}" for p in problems))
        self.problems = problems


class RowSchema:
    """The JSON form of one row: the inputs of the contract and, if it has one, the id."""

    def __init__(self, contract: Contract, levels: Mapping[str, Sequence[str]]) -> None:
        """``levels`` are the values that the model knows of its categories."""
        ids = (contract.id,) if contract.id else ()
        self.columns = (*ids, *contract.inputs)
        self._names = [column.name for column in self.columns]
        self._levels = levels
        self._warnings = [
            (column.name, rule)
            for column in self.columns
            for rule in column.rules
            if rule.severity == "warning"
        ]
        # A column may be called `class` or `_x`, a field may not: fields are numbered.
        fields: dict[str, Any] = {
            f"column_{number}": _field(column) for number, column in enumerate(self.columns)
        }
        self._model = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)

    def parse(self, text: bytes) -> dict[str, Any]:
        """A row of typed values from JSON; raise RowError."""
        row = self._values(self._model.model_validate_json, text)
        if (name := repeated_key(text)) is not None:
            message = "Input has this field more than once"
            raise RowError([Problem(name[:MAX_NAME], "repeated_key", message)])
        return row

    def check(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of typed values from values as JSON has them; raise RowError."""
        return self._values(self._model.model_validate, row)

    def _values(self, validate: Callable[[Any], BaseModel], row: Any) -> dict[str, Any]:
        try:
            return dict(zip(self._names, vars(validate(row)).values(), strict=True))
        except ValidationError as error:
            errors = error.errors(include_url=False, include_input=False)
            raise RowError([_problem(item) for item in errors[:MAX_PROBLEMS]]) from None

    def warnings(self, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Column and rule of each warning that the row gives."""
        for name, rule in self._warnings:
            if _breaks(rule, row[name]):
                yield name, rule.name

    def json_schema(self) -> dict[str, Any]:
        return {**self._model.model_json_schema(), "examples": [self.example()]}

    def example(self) -> dict[str, Any]:
        """A row to start from, as JSON has it."""
        row = {}
        for column in self.columns:
            value = _example(column, self._levels.get(column.name, ()))
            if column.required or not any(_breaks(rule, value) for rule in column.rules):
                row[column.name] = value
        return row


def repeated_key(text: bytes) -> str | None:
    """A key that an object of this valid JSON has twice: which of its values counts is unknown."""
    try:
        _KEYS.decode(text.decode())
    except _Repeated as repeated:
        return repeated.key
    return None


class _Repeated(Exception):
    def __init__(self, key: str) -> None:
        self.key = key


def _look(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        keys = Counter(key for key, _ in pairs)
        raise _Repeated(keys.most_common(1)[0][0])


# Made once. Numbers are left as they are: Python refuses to read very long ones.
_KEYS = json.JSONDecoder(object_pairs_hook=_look, parse_int=str, parse_float=str)


def _problem(error: Any) -> Problem:
    column = str(error["loc"][0]) if error["loc"] else "row"
    return Problem(column[:MAX_NAME], error["type"], error["msg"])


def _example(column: Column, levels: Sequence[str]) -> Any:
    allowed = [value for rule in column.rules for value in rule.values or ()]
    for told in (column.examples, levels, allowed):
        if told:
            return _plain(told[0])
    limits = [rule.minimum for rule in column.rules if rule.minimum is not None]
    limits += [rule.maximum for rule in column.rules if rule.maximum is not None]
    value = FALLBACKS[column.type]
    return type(value)(sum(limits) / len(limits)) if limits else value


def _breaks(rule: Rule, value: Any) -> bool:
    if value is None:
        return False
    return (
        (rule.values is not None and value not in rule.values)
        or (rule.minimum is not None and value < rule.minimum)
        or (rule.maximum is not None and value > rule.maximum)
        or (rule.pattern is not None and re.search(rule.pattern, value) is None)
    )


def _field(column: Column) -> tuple[Any, Any]:
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
        if _breaks(rule, value):
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
        "enum": None if rule.values is None else [_plain(value) for value in rule.values],
    }
    return {key: limit for key, limit in limits.items() if limit is not None}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date) else value
