"""Infer from a person's table what a contract has to say about it, for the person to correct."""

import csv
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from .errors import ProjectError
from .labels import LATENESS_HOURS, REQUEST_ID, ROW_NUMBER, TIME
from .params import Task

MOST_LEVELS = 50
FEWEST_ROWS = 30
FEWEST_PER_CLASS = 5
MOST_NUMBERED_CLASSES = 20
HEADER = """\
# Inferred from the table. Correct it: what each column means, when it is known (knownAt), which
# limits are errors, and which columns are sensitive (classification). What is known only after the
# moment of prediction must not be a feature: set its mlRole to forbidden.
"""
LABELS_HEADER = """\
# What became of the predictions. Put files with these columns, CSV or Parquet, into data/labels/;
# they are joined to the logged predictions. Correct expectedLatenessHours: how long after its
# prediction a label may take.
"""


class TableError(ProjectError):
    """The table cannot be trained on; the message says why and what to do."""


@dataclass(frozen=True)
class Roles:
    """Which columns the person named. Everything else becomes a feature, or is set aside."""

    target: str
    time: str | None = None
    id: str | None = None


def read(path: Path) -> pl.DataFrame:
    """The whole table, with inferred types. Raises TableError when it is not a whole table."""
    if not path.is_file():
        raise TableError(f"{path} does not exist")
    try:
        if path.suffix == ".parquet":
            table = pl.read_parquet(path)
        elif path.suffix in (".csv", ".tsv"):
            separator = "\t" if path.suffix == ".tsv" else ","
            _check_lines(path, separator)
            table = pl.read_csv(
                path, separator=separator, try_parse_dates=True, infer_schema_length=None
            )
        else:
            raise TableError(f"{path} is neither .csv, .tsv nor .parquet")
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TableError(f"{path} cannot be read as a table: {reason}") from None
    if table.height < FEWEST_ROWS:
        raise TableError(f"{path} has {table.height} rows; at least {FEWEST_ROWS} are needed")
    return table


def _check_lines(path: Path, separator: str) -> None:
    """Polars renames duplicate columns and fills up a line that was cut short; say so instead."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, delimiter=separator)
            header = next(lines, [])
            if twice := sorted({name for name in header if header.count(name) > 1}):
                raise TableError(f"{path} has the column {', '.join(twice)} more than once")
            for line in lines:
                if line and len(line) != len(header):
                    raise TableError(
                        f"{path}, line {lines.line_num}: {len(line)} values "
                        f"for {len(header)} columns; is the file cut short?"
                    )
    except UnicodeDecodeError:
        raise TableError(f"{path} is not UTF-8 text") from None
    except csv.Error as error:
        raise TableError(f"{path} is not a CSV table: {error}") from None


def check_roles(table: pl.DataFrame, roles: Roles) -> None:
    for option, name in (("--target", roles.target), ("--time", roles.time), ("--id", roles.id)):
        if name is not None and name not in table.columns:
            raise TableError(f"{option}: there is no column {name!r}; there are {table.columns}")
    if roles.id is not None and table[roles.id].n_unique() < table.height:
        raise TableError(f"--id: the values of {roles.id!r} are not unique")
    if roles.time is not None:
        if logical_type(table[roles.time]) not in ("date", "timestamp"):
            raise TableError(f"--time: {roles.time!r} does not hold dates or times")
        if table[roles.time].null_count():
            raise TableError(f"--time: {roles.time!r} is missing in some rows")


def infer_task(target: pl.Series, wanted: Task | None) -> Task:
    """The kind of prediction that fits the values of the target, or the one that is wanted."""
    known = target.drop_nulls()
    counts = known.value_counts()
    if counts.height < 2:
        raise TableError(f"{target.name!r} has only one value: there is nothing to predict")
    task = wanted or _fitting_task(known, counts.height)
    if task == "binary" and counts.height != 2:
        raise TableError(f"{target.name!r} has {counts.height} different values, binary needs 2")
    if task == "regression" and not known.dtype.is_numeric():
        raise TableError(f"{target.name!r} does not hold numbers, which regression needs")
    if task != "regression":
        _check_classes(known)
        rarest, rows = counts.sort("count").row(0)
        if rows < FEWEST_PER_CLASS:
            raise TableError(
                f"{target.name!r}: the class {rarest!r} is in {rows} of the rows, at least "
                f"{FEWEST_PER_CLASS} are needed; remove it, or merge it with another class"
            )
    return task


def _fitting_task(known: pl.Series, distinct: int) -> Task:
    if known.dtype.is_numeric() and (not _whole(known) or distinct > MOST_NUMBERED_CLASSES):
        return "regression"
    return "binary" if distinct == 2 else "multiclass"


def _whole(numbers: pl.Series) -> bool:
    return numbers.dtype.is_integer() or bool((numbers.round() == numbers).all())


def _check_classes(known: pl.Series) -> None:
    if logical_type(known) in ("date", "timestamp"):
        raise TableError(f"{known.name!r} holds dates or times, which cannot be predicted")
    if known.dtype.is_numeric() and not _whole(known):
        raise TableError(
            f"{known.name!r} holds fractions, which are no classes: say --task regression"
        )


def as_classes(target: pl.Series) -> pl.Series:
    """The target of a classification: numbers like 1.0 and 2.0 are the classes 1 and 2."""
    return target.cast(pl.Int64) if target.dtype.is_numeric() else target


def gives_away(feature: pl.Series, target: pl.Series) -> bool:
    """Whether a feature of few values leaves nothing open about the target: is it known in time?"""
    known = pl.DataFrame({"feature": feature, "target": target}).drop_nulls()
    if not 2 <= known["feature"].n_unique() <= MOST_LEVELS:
        return False
    return known.group_by("feature").agg(pl.col("target").n_unique())["target"].max() == 1


def positive_class(target: pl.Series) -> Any:
    """True or 1 where there is one, else the rarer class: it is what people look for."""
    counts = target.drop_nulls().value_counts().sort("count")
    values = counts[target.name].to_list()
    return next((value for value in values if value in (True, 1)), values[0])


def logical_type(values: pl.Series) -> str:
    if values.dtype == pl.Boolean:
        return "boolean"
    if values.dtype.is_integer():
        return "integer"
    if values.dtype.is_numeric():
        return "number"
    if values.dtype == pl.Date:
        return "date"
    if values.dtype == pl.Datetime:
        return "timestamp"
    return "string"


def looks_like_id(values: pl.Series) -> bool:
    """A different value in each row: text, or whole numbers in a column that is called so."""
    if values.n_unique() < values.len():
        return False
    named = re.search(r"(^|_|\s)(id|key|uuid|nr|no|number)$", values.name, re.IGNORECASE)
    return values.dtype == pl.String or bool(values.dtype.is_integer() and named)


def limits(values: pl.Series) -> dict[str, Any] | None:
    """The values that were seen, as arguments of a rule; none for free text and times."""
    kind = logical_type(values)
    known = values.drop_nulls()
    if kind in ("integer", "number"):
        if known.is_empty():
            return None
        number = int if kind == "integer" else float
        low: Any = known.min()
        high: Any = known.max()
        return {"minimum": number(low), "maximum": number(high)}
    if kind == "string" and 0 < known.n_unique() <= MOST_LEVELS:
        return {"validValues": sorted(known.unique().to_list())}
    return None


def contract(
    table: pl.DataFrame, dataset: str, roles: Roles, task: Task, owner: str
) -> dict[str, Any]:
    """An Open Data Contract Standard document; every inferred limit is a warning."""
    moments = {"moments": ["prediction", "outcome"], "predictedAt": "prediction"}
    properties = [_property(table[name], roles) for name in table.columns]
    return _document(dataset, f"Predict {roles.target} ({task}).", owner, moments, properties)


def labels_contract(table: pl.DataFrame, roles: Roles, owner: str) -> dict[str, Any]:
    """The same of the labels that come later, by id or, where there is none, by request."""
    key = roles.id or REQUEST_ID
    what = f"The {key} of the prediction"
    if roles.id is None:
        what += f"; the column {ROW_NUMBER} counts from 0 where a request held several rows"
    time = TIME if TIME not in (key, roles.target) else "known_at"
    properties = [
        _labels_property(key, logical_type(table[roles.id]) if roles.id else "string", "id", what),
        _labels_property(
            roles.target, logical_type(table[roles.target]), "target",
            "What came of it; empty where nobody will ever know",
        ),
        _labels_property(
            time, "timestamp", "time", "When this became known; UTC unless it has an offset"
        ),
    ]  # fmt: skip
    custom = {"expectedLatenessHours": LATENESS_HOURS}
    purpose = "Tell how good the predictions were."
    return _document("labels", purpose, owner, custom, properties)


def _labels_property(name: str, type: str, ml_role: str, what: str) -> dict[str, Any]:
    return {
        "name": name,
        "logicalType": type,
        "description": f"{what}.",
        "required": ml_role != "target",
        "customProperties": [{"property": "mlRole", "value": ml_role}],
    }


def _document(
    name: str,
    purpose: str,
    owner: str,
    custom: dict[str, Any],
    properties: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": name,
        "name": name,
        "version": "0.1.0",
        "status": "draft",
        "description": {"purpose": purpose},
        "team": {"name": owner},
        "customProperties": [{"property": key, "value": value} for key, value in custom.items()],
        "schema": [
            {
                "name": name,
                "logicalType": "object",
                "physicalType": "table",
                "properties": properties,
            }
        ],
    }


def role(values: pl.Series, roles: Roles) -> str:
    named = {roles.target: "target", roles.time: "time", roles.id: "id"}
    if values.name in named:
        return named[values.name]
    empty = values.null_count() == values.len()
    return "forbidden" if empty or looks_like_id(values) else "feature"


def _property(values: pl.Series, roles: Roles) -> dict[str, Any]:
    kind, ml_role = logical_type(values), role(values, roles)
    item: dict[str, Any] = {"name": values.name, "logicalType": kind}
    if ml_role in ("time", "id"):
        item["required"] = True
    if ml_role == "id":
        item["unique"] = True
    arguments = limits(values) if ml_role == "feature" else None
    if arguments:
        item["quality"] = [
            {
                "name": "values" if "validValues" in arguments else "range",
                "metric": "invalidValues",
                "arguments": arguments,
                "mustBe": 0,
                "severity": "warning",
            }
        ]
    if (example := _example(values, kind, ml_role)) is not None:
        item["examples"] = [example]
    known_at = "outcome" if ml_role in ("target", "forbidden") else "prediction"
    item["customProperties"] = [
        {"property": "mlRole", "value": ml_role},
        {"property": "knownAt", "value": known_at},
    ]
    return item


def _example(values: pl.Series, kind: str, ml_role: str) -> Any:
    """A value to show where no limit tells one; of an id, one that nobody has."""
    if ml_role == "id" and kind in ("string", "integer"):
        return f"{values.name}-000001" if kind == "string" else 1
    if ml_role in ("time", "feature") and kind in ("date", "timestamp"):
        first: Any = values.min()
        return first.isoformat()
    return None
