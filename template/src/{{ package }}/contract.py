"""The data contract: what each column means, what it may hold, and when it is known.

Contracts are written in the Open Data Contract Standard 3.1. Two custom properties say what the
standard has no word for: ``mlRole`` (id, time, feature, target or forbidden) and ``knownAt``, one
of the moments that the contract lists in the order in which they happen.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from .errors import ProjectError

ROLES = ("id", "time", "feature", "target", "forbidden")
TYPES = ("string", "integer", "number", "boolean", "date", "timestamp")


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

    def column(self, name: str) -> Column:
        return next(column for column in self.columns if column.name == name)


def load(path: Path) -> Contract:
    """Read a contract; raise ContractError, with the file's name, when it cannot be used."""
    try:
        text = path.read_bytes()
        return parse(yaml.safe_load(text), hashlib.sha256(text).hexdigest())
    except FileNotFoundError:
        raise ContractError(f"{path} does not exist") from None
    except yaml.YAMLError as error:
        raise ContractError(f"{path} is not valid YAML: {error}") from None
    except KeyError as error:
        raise ContractError(f"{path}: {error} is missing") from None
    except ContractError as error:
        raise ContractError(f"{path}: {error}") from None


def parse(document: dict[str, Any], digest: str) -> Contract:
    dataset = document["schema"][0]
    custom = _custom(document)
    contract = Contract(
        name=dataset["name"],
        version=document["version"],
        predicted_at=custom["predictedAt"],
        moments=tuple(custom["moments"]),
        columns=tuple(_column(item) for item in dataset["properties"]),
        digest=digest,
    )
    _check(contract)
    return contract


def _custom(element: dict[str, Any]) -> dict[str, Any]:
    return {item["property"]: item["value"] for item in element.get("customProperties", [])}


def _column(item: dict[str, Any]) -> Column:
    custom = _custom(item)
    return Column(
        name=item["name"],
        type=item["logicalType"],
        role=custom.get("mlRole", "forbidden"),
        required=item.get("required", False),
        unique=item.get("unique", False) or item.get("primaryKey", False),
        known_at=custom.get("knownAt"),
        classification=item.get("classification"),
        description=item.get("description", ""),
        rules=tuple(_rule(item["name"], rule) for rule in item.get("quality", [])),
    )


def _rule(column: str, item: dict[str, Any]) -> Rule:
    if item.get("metric") != "invalidValues" or item.get("mustBe") != 0:
        raise ContractError(
            f"column {column}: only the metric invalidValues with mustBe: 0 can be checked here"
        )
    arguments = item["arguments"]
    unknown = set(arguments) - {"minimum", "maximum", "validValues", "pattern"}
    if unknown:
        raise ContractError(f"column {column}: no rule is called {', '.join(sorted(unknown))}")
    values = arguments.get("validValues")
    return Rule(
        name=item["name"],
        severity=item.get("severity", "error"),
        minimum=arguments.get("minimum"),
        maximum=arguments.get("maximum"),
        values=None if values is None else tuple(values),
        pattern=arguments.get("pattern"),
    )


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
    if column.type not in TYPES:
        raise ContractError(f"column {column.name}: no type is called {column.type!r}")
    if column.role not in ("time", "feature"):
        return
    if column.known_at not in contract.moments:
        raise ContractError(f"column {column.name}: knownAt must be one of {contract.moments}")
    if contract.moments.index(column.known_at) > contract.moments.index(contract.predicted_at):
        raise ContractError(
            f"column {column.name} leaks: it is known at {column.known_at}, "
            f"but predictions are made at {contract.predicted_at}"
        )
