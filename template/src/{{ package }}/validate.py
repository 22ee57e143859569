"""Check what has landed against the contract; rows that break an error rule go to quarantine."""

import json
from dataclasses import asdict, dataclass
from typing import Any

import pandera.polars as pa
import polars as pl
from pandera.errors import SchemaErrors

from .contract import Column, Contract, ContractError, Rule
from .errors import ProjectError
from .settings import LANDING, QUARANTINE, REPORTS, VALID

ROW = "__row__"
OFFSET = r":\d\d(\.\d+)?\s?(Z|[+-]\d\d:?\d\d)$"
TYPES: dict[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "date": pl.Date,
    "timestamp": pl.Datetime("us"),
}
TRUE, FALSE = ["true", "t", "yes", "y", "1"], ["false", "f", "no", "n", "0"]


class MissingColumns(ProjectError):
    """The table lacks columns that the contract promises."""


class NothingLanded(ProjectError):
    """There is no landed data to check."""


@dataclass(frozen=True)
class RuleResult:
    column: str
    rule: str
    severity: str
    failed: int


@dataclass(frozen=True)
class Checked:
    """``valid`` has the contract's columns and types; ``quarantined`` also names the rule."""

    valid: pl.DataFrame
    quarantined: pl.DataFrame
    results: list[RuleResult]
    unexpected: list[str]

    @property
    def quarantined_share(self) -> float:
        return self.quarantined.height / (self.valid.height + self.quarantined.height)


def check(table: pl.DataFrame, contract: Contract) -> Checked:
    """Judge every row of a landed table, shape (n, columns), by every rule of its contract.

    Raises MissingColumns when a column of the contract is not there at all.
    """
    names = [column.name for column in contract.columns]
    if missing := [name for name in names if name not in table.columns]:
        raise MissingColumns(f"{contract.name} has no column {', '.join(missing)}")

    typed = table.select(as_type(column, table.schema[column.name]) for column in contract.columns)
    failures = pl.concat([_type_failures(table, typed, contract), _rule_failures(typed, contract)])
    errors = failures.filter(severity="error")
    broken = errors.group_by(ROW).agg((pl.col("column") + ": " + pl.col("rule")).first())
    quarantined = (
        table.select(names)
        .with_row_index(ROW)
        .join(broken.rename({"column": "broken_rule"}), on=ROW, maintain_order="left")
        .drop(ROW)
    )
    valid = typed.with_row_index(ROW).join(broken, on=ROW, how="anti", maintain_order="left")
    return Checked(
        valid=valid.drop(ROW),
        quarantined=quarantined,
        results=_results(failures, contract),
        unexpected=[name for name in table.columns if name not in names],
    )


def as_type(column: Column, found: pl.DataType) -> pl.Expr:
    """The values of a column in its type, from the type in which they were found; null if none."""
    value = pl.col(column.name)
    wanted = TYPES[column.type]
    if isinstance(found, pl.Datetime) and found.time_zone:
        return value.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(wanted)
    if found != pl.String or column.type == "string":
        return value.cast(wanted, strict=False)
    text = value.str.strip_chars()
    text = pl.when(text != "").then(text)
    if column.type == "boolean":
        word = text.str.to_lowercase()
        known = pl.when(word.is_in(TRUE)).then(True).when(word.is_in(FALSE)).then(False)
        return known.alias(column.name)
    if column.type in ("date", "timestamp"):
        return _time(text).cast(wanted).alias(column.name)
    if column.type == "integer":
        # "3.0" is an integer; "3.5" is not. A large one would lose digits as a float.
        number = text.cast(pl.Float64, strict=False)
        rounded = pl.when(number.round() == number).then(number).cast(pl.Int64, strict=False)
        return pl.coalesce(text.cast(pl.Int64, strict=False), rounded).alias(column.name)
    return text.cast(wanted, strict=False).alias(column.name)


def _time(text: pl.Expr) -> pl.Expr:
    """Times from text; one with an offset becomes UTC."""
    has_offset = text.str.contains(OFFSET)
    aware, naive = (pl.when(fits).then(text) for fits in (has_offset, ~has_offset))
    utc = aware.str.to_datetime("%+", strict=False, time_unit="us", time_zone="UTC")
    local = naive.str.to_datetime(strict=False, time_unit="us")
    return pl.coalesce(local, utc.dt.replace_time_zone(None))


def _type_failures(table: pl.DataFrame, typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    """Values that were there before the cast and are not after it."""
    found = [_failures([], "", "")]
    for column in contract.columns:
        before = table[column.name]
        present = before.is_not_null()
        if before.dtype == pl.String:
            present &= before.str.strip_chars() != ""
        rows = (present & typed[column.name].is_null()).arg_true().to_list()
        found.append(_failures(rows, column.name, "type"))
    return pl.concat(found)


def _rule_failures(typed: pl.DataFrame, contract: Contract) -> pl.DataFrame:
    try:
        _schema(contract).validate(typed, lazy=True)
    except SchemaErrors as errors:
        cases: pl.DataFrame = errors.failure_cases
        severities = {
            (column.name, rule.name): rule.severity
            for column in contract.columns
            for rule in column.rules
        }
        named = cases.select(
            pl.col("index").cast(pl.UInt32).alias(ROW),
            "column",
            pl.col("check")
            .replace({"not_nullable": "required", "field_uniqueness": "unique"})
            .alias("rule"),
        )
        return named.with_columns(
            pl.struct("column", "rule")
            .map_elements(
                lambda key: severities.get((key["column"], key["rule"]), "error"),
                return_dtype=pl.String,
            )
            .alias("severity")
        )
    return _failures([], "", "")


def _failures(rows: list[int], column: str, rule: str) -> pl.DataFrame:
    return pl.DataFrame(
        {ROW: rows, "column": [column] * len(rows), "rule": rule, "severity": "error"},
        schema={ROW: pl.UInt32, "column": pl.String, "rule": pl.String, "severity": pl.String},
    )


def _schema(contract: Contract) -> pa.DataFrameSchema:
    return pa.DataFrameSchema(
        {
            column.name: pa.Column(
                TYPES[column.type],
                checks=[_check(column, rule) for rule in column.rules],
                nullable=not column.required,
                unique=column.unique,
            )
            for column in contract.columns
        }
    )


def _check(column: Column, rule: Rule) -> pa.Check:
    if rule.pattern is not None:
        try:
            pl.Series([""]).str.contains(rule.pattern)
        except pl.exceptions.ComputeError:
            raise ContractError(
                f"column {column.name}, rule {rule.name}: {rule.pattern!r} cannot be checked here; "
                "a pattern has no look-around and no back-references"
            ) from None

    def holds(data: pa.PolarsData) -> pl.LazyFrame:
        value = pl.col(data.key)
        good = pl.lit(True)
        if rule.minimum is not None:
            good &= value >= rule.minimum
        if rule.maximum is not None:
            good &= value <= rule.maximum
        if rule.values is not None:
            good &= value.is_in(rule.values)
        if rule.pattern is not None:
            good &= value.str.contains(rule.pattern)
        # A missing value breaks `required`, not a limit.
        return data.lazyframe.select(good | value.is_null())

    return pa.Check(holds, name=rule.name, error=rule.name)


def _results(failures: pl.DataFrame, contract: Contract) -> list[RuleResult]:
    counts = {
        (column, rule): failed
        for column, rule, failed in failures.group_by("column", "rule").len().iter_rows()
    }
    results = []
    for column in contract.columns:
        rules = [("type", "error")]
        rules += [("required", "error")] if column.required else []
        rules += [("unique", "error")] if column.unique else []
        rules += [(rule.name, rule.severity) for rule in column.rules]
        results += [
            RuleResult(column.name, rule, severity, counts.get((column.name, rule), 0))
            for rule, severity in rules
        ]
    return results


def run(contract: Contract) -> Checked:
    """Check the landed dataset and write the valid rows, the quarantine and the quality report."""
    folder = LANDING / contract.name
    if not (folder / "manifest.json").exists():
        raise NothingLanded(f"{folder} is empty: run ingest, or dvc pull")
    table = pl.read_parquet(folder / "part-*.parquet")
    checked = check(table, contract)
    for target, rows in ((VALID, checked.valid), (QUARANTINE, checked.quarantined)):
        target.mkdir(parents=True, exist_ok=True)
        rows.write_parquet(target / f"{contract.name}.parquet", compression="zstd")
    REPORTS.mkdir(exist_ok=True)
    report = json.dumps(quality_report(checked, contract), indent=2, ensure_ascii=False)
    (REPORTS / "quality.json").write_text(report, encoding="utf-8")
    return checked


def quality_report(checked: Checked, contract: Contract) -> dict[str, Any]:
    return {
        "dataset": contract.name,
        "contract": contract.digest,
        "contract_version": contract.version,
        "rows": checked.valid.height + checked.quarantined.height,
        "quarantined": checked.quarantined.height,
        "rules": [asdict(result) for result in checked.results],
        "missing": dict(zip(checked.valid.columns, checked.valid.null_count().row(0), strict=True)),
        "unexpected_columns": checked.unexpected,
    }
