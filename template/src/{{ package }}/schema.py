"""One row as JSON, checked against the contract: what a request may hold.

Rules of severity ``error`` refuse a row; what breaks a ``warning`` is only told.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from .contract import Column, Contract
from .errors import ProjectError
from .schema_fields import breaks, field, plain

MAX_NAME = 100
MAX_PROBLEMS = 20
EXAMPLES: Mapping[str, Any] = {
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
            f"column_{number}": field(column) for number, column in enumerate(self.columns)
        }
        self._model = create_model("Row", __config__=ConfigDict(extra="forbid"), **fields)

    def parse(self, text: bytes) -> dict[str, Any]:
        """A row of typed values from JSON; raise RowError."""
        return self._values(self._model.model_validate_json, text)

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
            if breaks(rule, row[name]):
                yield name, rule.name

    def json_schema(self) -> dict[str, Any]:
        return {**self._model.model_json_schema(), "examples": [self.example()]}

    def example(self) -> dict[str, Any]:
        """A row to start from, as JSON has it."""
        row = {}
        for column in self.columns:
            value = _example(column, self._levels.get(column.name, ()))
            if column.required or not any(breaks(rule, value) for rule in column.rules):
                row[column.name] = value
        return row


def _problem(error: Any) -> Problem:
    column = str(error["loc"][0]) if error["loc"] else "row"
    return Problem(column[:MAX_NAME], error["type"], error["msg"])


def _example(column: Column, levels: Sequence[str]) -> Any:
    allowed = [value for rule in column.rules for value in rule.values or ()]
    if levels or allowed:
        return levels[0] if levels else plain(allowed[0])
    limits = [rule.minimum for rule in column.rules if rule.minimum is not None]
    limits += [rule.maximum for rule in column.rules if rule.maximum is not None]
    value = EXAMPLES[column.type]
    return type(value)(sum(limits) / len(limits)) if limits else value
