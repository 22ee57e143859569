"""The data contract: what each column means, what it may hold, and when it is known.

Contracts are written in the Open Data Contract Standard 3.1. Two custom properties say what the
standard has no word for: ``mlRole`` (id, time, feature, target or forbidden) and ``knownAt``, one
of the moments that the contract lists in the order in which they happen. A column with
``transformSourceObjects`` is not at the source: sql/training.sql makes it from those datasets.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .errors import ProjectError

Parsed = TypeVar("Parsed")

ROLES = ("id", "time", "feature", "target", "forbidden")
SEVERITIES = ("error", "warning")
# Logical types, and what a value of each is in YAML.
TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "date": date,
    "timestamp": datetime,
}


class ContractError(ProjectError):
    """The contract contradicts itself or leaves out something that is needed."""


@dataclass(frozen=True)
class Rule:
    """Limits on the values of one column. An ``error`` puts the row into quarantine."""

    name: str
    severity: str
    minimum: float | None = None
    maximum: float | None = None
    values: tuple[Any, ...] | None = None
    pattern: str | None = None


@dataclass(frozen=True)
class Column:
    name: str
    type: str
    role: str
    required: bool
    unique: bool
    known_at: str | None
    classification: str | None
    description: str
    rules: tuple[Rule, ...]
    examples: tuple[Any, ...] = ()
    made_from: tuple[str, ...] = ()


@dataclass(frozen=True)
class Contract:
    """One dataset. ``digest`` is the sha256 of the file that it was read from."""

    name: str
    version: str
    predicted_at: str
    moments: tuple[str, ...]
    columns: tuple[Column, ...]
    digest: str

    @cached_property
    def target(self) -> Column:
        return next(column for column in self.columns if column.role == "target")

    @cached_property
    def time(self) -> Column | None:
        return next((column for column in self.columns if column.role == "time"), None)

    @cached_property
    def id(self) -> Column | None:
        return next((column for column in self.columns if column.role == "id"), None)

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """What is known when a prediction is asked for, and may therefore be used for it."""
        return tuple(column for column in self.columns if column.role in ("time", "feature"))

    @cached_property
    def landed(self) -> "Contract":
        """The same without the columns that sql/training.sql makes."""
        return replace(self, columns=tuple(one for one in self.columns if not one.made_from))

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def load(path: Path) -> Contract:
    """Read a contract; raise ContractError, with the file's name, when it cannot be used."""
    return read(path, parse)


def read(path: Path, parse: Callable[[Any, str], Parsed]) -> Parsed:
    """What ``parse`` makes of a YAML document and the sha256 of its file; its errors get the name.

    Raises ContractError.
    """
    try:
        text = path.read_bytes()
        return parse(yaml.safe_load(text), hashlib.sha256(text).hexdigest())
    except FileNotFoundError:
        raise ContractError(f"{path} does not exist") from None
    except yaml.YAMLError as error:
        raise ContractError(f"{path} is not valid YAML: {error}") from None
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None


def parse(document: Any, digest: str) -> Contract:
    """The contract in a YAML document; raise ContractError when it cannot be used."""
    dataset = need(document, "schema", list, "the contract")[0]
    custom = custom_properties(document, "the contract")
    contract = Contract(
        name=need(dataset, "name", str, "the dataset"),
        version=str(need(document, "version", (str, int, float), "the contract")),
        predicted_at=need(custom, "predictedAt", str, "customProperties"),
        moments=tuple(need(custom, "moments", list, "customProperties")),
        columns=tuple(map(parse_column, need(dataset, "properties", list, "the dataset"))),
        digest=digest,
    )
    _check(contract)
    return contract


def need(element: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """The value of a key that must be there, of this kind and not empty."""
    if not isinstance(element, dict):
        raise ContractError(f"{where} is not a mapping of keys to values")
    value = element.get(key)
    if value is None or value == []:
        raise ContractError(f"{where}: {key} is missing")
    if not isinstance(value, kind):
        raise ContractError(f"{where}: {key} cannot be {value!r}")
    return value


def custom_properties(element: dict[str, Any], where: str) -> dict[str, Any]:
    return {
        need(item, "property", str, f"{where}, customProperties"): item.get("value")
        for item in _list(element, "customProperties", where)
    }


def _list(element: dict[str, Any], key: str, where: str) -> list[Any]:
    """A list that may be left out."""
    return need(element, key, list, where) if element.get(key) else []


def parse_column(item: Any) -> Column:
    name = need(item, "name", str, "a column")
    where = f"column {name}"
    custom = custom_properties(item, where)
    kind = need(item, "logicalType", str, where)
    if kind not in TYPES:
        raise ContractError(f"{where}: no type is called {kind!r}")
    examples = _list(item, "examples", where)
    # Dates and times may be written as text, as they come in a request.
    if kind not in ("date", "timestamp"):
        _check_values(examples, kind, f"{where}, examples")
    return Column(
        name=name,
        type=kind,
        role=custom.get("mlRole", "forbidden"),
        required=item.get("required", False),
        unique=item.get("unique", False) or item.get("primaryKey", False),
        known_at=custom.get("knownAt"),
        classification=item.get("classification"),
        description=str(item.get("description") or ""),
        rules=tuple(_rule(rule, kind, where) for rule in _list(item, "quality", where)),
        examples=tuple(examples),
        made_from=tuple(_list(item, "transformSourceObjects", where)),
    )


def _rule(item: Any, kind: str, where: str) -> Rule:
    name = need(item, "name", str, f"{where}, a rule")
    where = f"{where}, rule {name}"
    if item.get("metric") != "invalidValues" or item.get("mustBe") != 0:
        raise ContractError(
            f"{where}: only the metric invalidValues with mustBe: 0 can be checked here"
        )
    severity = item.get("severity", "error")
    if severity not in SEVERITIES:
        raise ContractError(f"{where}: severity is {severity!r}, not error or warning")
    arguments = need(item, "arguments", dict, where)
    for argument, value in arguments.items():
        _check_argument(argument, value, kind, where)
    values = arguments.get("validValues")
    return Rule(
        name=name,
        severity=severity,
        minimum=arguments.get("minimum"),
        maximum=arguments.get("maximum"),
        values=None if values is None else tuple(values),
        pattern=arguments.get("pattern"),
    )


def _check_argument(argument: str, value: Any, kind: str, where: str) -> None:
    """Refuse a limit that cannot be applied to values of this type."""
    if argument in ("minimum", "maximum"):
        if kind not in ("integer", "number"):
            raise ContractError(f"{where}: {argument} is for numbers, and the column is a {kind}")
        if not _is(value, "number"):
            raise ContractError(f"{where}: {argument} cannot be {value!r}")
    elif argument == "pattern":
        if kind != "string":
            raise ContractError(f"{where}: pattern is for strings, and the column is a {kind}")
        try:
            re.compile(value)
        except (re.error, TypeError) as error:
            raise ContractError(f"{where}: {value!r} is no regular expression: {error}") from None
    elif argument == "validValues":
        if not isinstance(value, list) or not value:
            raise ContractError(f"{where}: validValues is not a list of values")
        _check_values(value, kind, where)
    else:
        raise ContractError(f"{where}: no limit is called {argument}")


def _check_values(values: list[Any], kind: str, where: str) -> None:
    if wrong := [value for value in values if not _is(value, kind)]:
        raise ContractError(f"{where}: {wrong[0]!r} is no {kind}; YAML may need quotes around it")


def _is(value: Any, kind: str) -> bool:
    """Whether a value from YAML is of a logical type; Python takes True for a number too."""
    return isinstance(value, TYPES[kind]) and isinstance(value, bool) == (kind == "boolean")


def _check(contract: Contract) -> None:
    names = [column.name for column in contract.columns]
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ContractError(f"column {', '.join(twice)} is described twice")
    for role, most in (("target", 1), ("time", 1), ("id", 1)):
        count = sum(column.role == role for column in contract.columns)
        if count > most or (role == "target" and count == 0):
            raise ContractError(f"{count} columns have the role {role}")
    if not contract.inputs:
        raise ContractError("no column has the role feature")
    if contract.predicted_at not in contract.moments:
        raise ContractError(f"predictedAt {contract.predicted_at!r} is not one of the moments")
    for column in contract.columns:
        _check_column(column, contract)


def _check_column(column: Column, contract: Contract) -> None:
    if column.role not in ROLES:
        raise ContractError(f"column {column.name}: no role is called {column.role!r}")
    if column.role not in ("time", "feature"):
        return
    if column.known_at not in contract.moments:
        raise ContractError(f"column {column.name}: knownAt must be one of {contract.moments}")
    if contract.moments.index(column.known_at) > contract.moments.index(contract.predicted_at):
        raise ContractError(
            f"column {column.name} leaks: it is known at {column.known_at}, "
            f"but predictions are made at {contract.predicted_at}"
        )
