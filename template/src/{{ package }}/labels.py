"""Labels: what became of predictions, in files that arrive in a folder as they become known.

They may also come from a source, as the dataset ``labels`` that `ingest` lands.

contracts/labels.odcs.yaml names their columns: the key (role id), the target, and the time at
which the label became known. The key is the dataset's id, or ``request_id``, with the number of the
row in ``row`` where a request or a scored table held several. The custom property
``expectedLatenessHours`` says how long after the prediction a label may take.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from . import contract as contracts
from . import landing
from .contract import Column, Contract, ContractError
from .errors import ProjectError
from .records import is_logged
from .sources import files
from .validate import as_type, check

PATH = Path("contracts/labels.odcs.yaml")
DATASET = "labels"
REQUEST_ID = "request_id"
ROW_NUMBER = "row"
TIME = "labelled_at"
LATENESS_HOURS = 168
# How far the clocks of two machines may differ.
CLOCKS = timedelta(minutes=5)

# The id of a row and 0, or a request's id with the number of its row.
Key = tuple[str, int]


class LabelsError(ProjectError):
    """A file of labels cannot be used."""


@dataclass(frozen=True)
class LabelContract:
    """The columns of label files. ``lateness`` is how long a label may take."""

    contract: Contract
    key: Column
    target: Column
    time: Column
    lateness: timedelta

    @property
    def by_request(self) -> bool:
        return self.key.name == REQUEST_ID


@dataclass(frozen=True)
class Label:
    """The value is None where it is known that there will never be one."""

    value: Any
    time: datetime


@dataclass(frozen=True)
class Labels:
    """The last label of each key, the time of the newest in any file, and what was wrong."""

    known: dict[Key, Label]
    newest: datetime | None
    problems: list[str]


def load(dataset: Contract, path: Path = PATH) -> LabelContract:
    """The contract of the labels, or what is usual if there is none; raise ContractError."""
    if not path.exists():
        return _usual(dataset)
    return contracts.read(path, partial(_parse, dataset))


def _usual(dataset: Contract) -> LabelContract:
    key = dataset.id if dataset.id and is_logged(dataset.id) else _column(REQUEST_ID, "string")
    return _labels(
        replace(key, required=True, unique=False, rules=()),
        replace(dataset.target, required=False, rules=()),
        _column(TIME, "timestamp"),
        LATENESS_HOURS,
    )


def _column(name: str, type: str) -> Column:
    return Column(name, type, "", True, False, None, None, "", ())


def _parse(dataset: Contract, document: Any, digest: str) -> LabelContract:
    schema = contracts.need(document, "schema", list, "the contract")[0]
    properties = contracts.need(schema, "properties", list, "the dataset")
    columns = {column.role: column for column in map(contracts.parse_column, properties)}
    if missing := [role for role in ("id", "target", "time") if role not in columns]:
        raise ContractError(f"no column has the mlRole {', '.join(missing)}")
    key, target, time = (columns[role] for role in ("id", "target", "time"))
    _check_key(key, dataset)
    if (target.name, target.type) != (dataset.target.name, dataset.target.type):
        raise ContractError(
            f"the target must be {dataset.target.name}, a {dataset.target.type}, as in the "
            f"contract of {dataset.name}"
        )
    if time.type != "timestamp":
        raise ContractError(f"column {time.name}: the time must be a timestamp")
    custom = contracts.custom_properties(document, "the contract")
    hours = custom.get("expectedLatenessHours", LATENESS_HOURS)
    if isinstance(hours, bool) or not isinstance(hours, int | float) or hours <= 0:
        raise ContractError(f"expectedLatenessHours cannot be {hours!r}")
    return _labels(replace(key, unique=False), target, replace(time, required=True), hours)


def _check_key(key: Column, dataset: Contract) -> None:
    if key.name == REQUEST_ID:
        return
    if dataset.id is None or key.name != dataset.id.name:
        known = [dataset.id.name] if dataset.id else []
        raise ContractError(
            f"the key {key.name} cannot be joined: it must be {' or '.join([*known, REQUEST_ID])}"
        )
    if not is_logged(dataset.id):
        raise ContractError(
            f"the key {key.name} is sensitive, so that no prediction is logged with it: "
            f"use {REQUEST_ID}"
        )


def _labels(key: Column, target: Column, time: Column, hours: float) -> LabelContract:
    contract = Contract("labels", "", "", (), (key, target, time), "")
    return LabelContract(contract, key, target, time, timedelta(hours=hours))


def read(folder: Path, contract: LabelContract, wanted: Iterable[str], now: datetime) -> Labels:
    """The labels of the wanted keys, of which the last one counts. Times are UTC.

    A file that cannot be used is named in the problems; the others count.
    """
    keys = pl.DataFrame({contract.key.name: pl.Series(sorted(set(wanted)), dtype=pl.String)})
    typed = keys.select(as_type(contract.key, pl.String())).to_series().drop_nulls()
    limit = (now + CLOCKS).astimezone(UTC).replace(tzinfo=None)
    known: dict[Key, Label] = {}
    newest: list[datetime] = []
    problems: list[str] = []
    for path in [*_files(folder), *_landed()]:
        try:
            found = _read_file(path, contract, typed, limit)
        except (pl.exceptions.PolarsError, OSError, ProjectError) as error:
            reason = str(error).strip().splitlines()[0]
            problems.append(reason if str(path) in reason else f"{path}: {reason}")
            continue
        problems += [f"{path}: {problem}" for problem in found.problems]
        newest += [found.newest.replace(tzinfo=UTC)] if found.newest else []
        for key, label in found.labels:
            if key not in known or known[key].time <= label.time:
                known[key] = label
    return Labels(known, max(newest, default=None), problems)


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    paths = folder.rglob("*")
    return sorted(path for path in paths if path.is_file() and not path.name.startswith("."))


def _landed() -> list[Path]:
    return landing.parts(DATASET) if landing.read(DATASET) else []


@dataclass(frozen=True)
class _File:
    labels: list[tuple[Key, Label]]
    newest: datetime | None
    problems: list[str]


def _read_file(path: Path, contract: LabelContract, wanted: pl.Series, limit: datetime) -> _File:
    """Only the wanted rows are held in memory, and those whose key cannot be read."""
    table = files.scan(path)
    schema = table.collect_schema()
    columns = list(contract.contract.columns)
    if contract.by_request and ROW_NUMBER in schema:
        columns.append(_column(ROW_NUMBER, "integer"))
    if missing := [column.name for column in columns if column.name not in schema]:
        raise LabelsError(f"there is no column {', '.join(missing)}")
    time = contract.time.name
    times = as_type(contract.time, schema[time])
    newest = table.select(times.filter(times <= limit).max()).collect().item()
    key = as_type(contract.key, schema[contract.key.name])
    rows = table.filter(key.is_in(wanted.implode()) | key.is_null()).collect()
    checked = check(rows, replace(contract.contract, columns=tuple(columns)))
    types = {column.name: column.type for column in columns}
    problems = [
        f"{result.column}: {_fault(result.rule, types[result.column])} in {result.failed:,} rows"
        for result in checked.results
        if result.failed and result.severity == "error"
    ]
    if early := checked.valid.filter(pl.col(time) > limit).height:
        problems.append(f"{time}: {early:,} rows are from the future; a time without offset is UTC")
    valid = checked.valid.filter(pl.col(time) <= limit)
    return _File(list(_labels_of(valid, contract)), newest, problems)


def _fault(rule: str, type: str) -> str:
    known = {"type": f"no {type}", "required": "missing"}
    return known.get(rule, f"{rule} fails")


def _labels_of(rows: pl.DataFrame, contract: LabelContract) -> Iterator[tuple[Key, Label]]:
    for row in rows.sort(contract.time.name, maintain_order=True).iter_rows(named=True):
        key = (text(row[contract.key.name]), row.get(ROW_NUMBER, 0))
        yield key, Label(row[contract.target.name], row[contract.time.name].replace(tzinfo=UTC))


def text(key: Any) -> str:
    """A key as a prediction record and a label file both tell it."""
    return key.isoformat() if isinstance(key, date) else str(key)
