"""Check what has landed against the contract; rows that break an error rule go to quarantine."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import pandera.polars as pa
import polars as pl
import pyarrow
from pandera.errors import SchemaErrors

from . import duck, landing, parquet
from .contract import Column, Contract, ContractError, Rule
from .errors import ProjectError
from .settings import QUARANTINE, REPORTS, VALID

Schema = Mapping[str, pl.DataType]

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


@dataclass
class Quality:
    """What came of all pieces of a dataset: numbers of rows, failures by rule, missing values."""

    contract: Contract
    unexpected: list[str]
    valid: int = 0
    quarantined: int = 0
    failed: Counter[tuple[str, str]] = field(default_factory=Counter)
    missing: dict[str, int] = field(default_factory=dict)

    def add(self, checked: Checked) -> None:
        self.valid += checked.valid.height
        self.quarantined += checked.quarantined.height
        self.failed.update({(one.column, one.rule): one.failed for one in checked.results})
        for name, missing in checked.valid.null_count().row(0, named=True).items():
            self.missing[name] = self.missing.get(name, 0) + missing

    @property
    def results(self) -> list[RuleResult]:
        return _results(self.failed, self.contract)

    @property
    def quarantined_share(self) -> float:
        return self.quarantined / max(self.valid + self.quarantined, 1)


def check(
    table: pl.DataFrame, contract: Contract, repeated: Mapping[str, pl.Series] | None = None
) -> Checked:
    """Judge every row of a landed table, shape (n, columns), by every rule of its contract.

    Where the table is a piece of a larger one, ``repeated`` are the values that unique columns
    hold in several rows of all of it.

    Raises MissingColumns when a column of the contract is not there at all.
    """
    names = [column.name for column in contract.columns]
    if missing := [name for name in names if name not in table.columns]:
        raise MissingColumns(f"{contract.name} has no column {', '.join(missing)}")

    typed = table.select(as_type(column, table.schema[column.name]) for column in contract.columns)
    failures = pl.concat(
        [
            _type_failures(table, typed, contract),
            _rule_failures(typed, contract),
            _unique_failures(typed, contract, repeated),
        ]
    )
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
        results=_results(_counted(failures), contract),
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
        warns = pl.lit(False)
        for column in contract.columns:
            for rule in column.rules:
                if rule.severity == "warning":
                    warns |= (pl.col("column") == column.name) & (pl.col("rule") == rule.name)
        return cases.select(
            pl.col("index").cast(pl.UInt32).alias(ROW),
            "column",
            pl.col("check").replace({"not_nullable": "required"}).alias("rule"),
        ).with_columns(severity=pl.when(warns).then(pl.lit("warning")).otherwise(pl.lit("error")))
    return _failures([], "", "")


def _unique_failures(
    typed: pl.DataFrame, contract: Contract, repeated: Mapping[str, pl.Series] | None
) -> pl.DataFrame:
    """Values that stand in several rows; a missing one breaks `required`."""
    found = [_failures([], "", "")]
    for column in contract.columns:
        if column.unique:
            values = typed[column.name]
            if repeated is None:
                twice = values.is_duplicated()
            else:
                twice = values.is_in(repeated[column.name].implode())
            rows = (twice & values.is_not_null()).arg_true().to_list()
            found.append(_failures(rows, column.name, "unique"))
    return pl.concat(found)


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


def _counted(failures: pl.DataFrame) -> dict[tuple[str, str], int]:
    counts = failures.group_by("column", "rule").len()
    return {(column, rule): failed for column, rule, failed in counts.iter_rows()}


def _results(counts: Mapping[tuple[str, str], int], contract: Contract) -> list[RuleResult]:
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


def run(contract: Contract, others: Sequence[Contract] = ()) -> list[Quality]:
    """Check what has landed, the main dataset and others beside it.

    Writes the valid rows, the quarantine and the quality report. Raises landing.NothingLanded.
    """
    found = [_check_parts(one) for one in (contract, *others)]
    report = _report(found[0]) | ({"others": list(map(_report, found[1:]))} if others else {})
    REPORTS.mkdir(exist_ok=True)
    text = json.dumps(report, indent=2, ensure_ascii=False)
    (REPORTS / "quality.json").write_text(text, encoding="utf-8")
    return found


def _check_parts(contract: Contract) -> Quality:
    """Judge what has landed of a dataset piece by piece, so that it may be larger than memory."""
    paths = landing.parts(contract.name)
    schemas = [pl.read_parquet_schema(path) for path in paths]
    raw = _raw_schema(contract, schemas)
    twice = duplicates(paths, contract)
    quality = Quality(contract, unexpected=_unexpected(contract, schemas))
    name = f"{contract.name}.parquet"
    typed = {column.name: TYPES[column.type] for column in contract.columns}
    with (
        parquet.Writer(VALID / name, typed) as valid,
        parquet.Writer(QUARANTINE / name, raw | {"broken_rule": pl.String}) as quarantine,
    ):
        for path, schema in zip(paths, schemas, strict=True):
            there = [name for name in raw if name in schema]
            for rows in parquet.read([path], there):
                checked = check(_completed(rows, raw), contract, twice)
                valid.write(checked.valid)
                quarantine.write(checked.quarantined.cast(quarantine.schema, strict=False))
                quality.add(checked)
    return quality


def _raw_schema(contract: Contract, schemas: Sequence[Schema]) -> dict[str, pl.DataType]:
    """The columns of the contract as they landed, as text where parts differ.

    Raises MissingColumns when no part has one.
    """
    found = {
        column.name: {schema[column.name] for schema in schemas if column.name in schema}
        for column in contract.columns
    }
    if missing := [name for name, types in found.items() if not types]:
        raise MissingColumns(f"{contract.name} has no column {', '.join(missing)}")
    known = {name: types - {pl.Null()} or types for name, types in found.items()}
    return {
        name: next(iter(types)) if len(types) == 1 else pl.String() for name, types in known.items()
    }


def _completed(rows: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The rows with the columns that came into the source later, empty."""
    later = (name for name in schema if name not in rows.columns)
    return rows.with_columns(pl.lit(None, schema[name]).alias(name) for name in later)


def _unexpected(contract: Contract, schemas: Sequence[Schema]) -> list[str]:
    names = {column.name for column in contract.columns}
    return [name for name in dict.fromkeys(chain(*schemas)) if name not in names]


def duplicates(paths: Sequence[Path], contract: Contract) -> dict[str, pl.Series]:
    """The values that stand in several rows, of the columns in which none may.

    DuckDB counts them, in a bounded part of the memory.
    """
    found = {}
    for column in contract.columns:
        if column.unique:
            batches = (
                rows.select(as_type(column, rows.schema[column.name]).alias("value"))
                for path in paths
                if column.name in pl.read_parquet_schema(path)
                for rows in parquet.read([path], [column.name])
            )
            found[column.name] = _repeated(batches, TYPES[column.type])
    return found


def _repeated(tables: Iterator[pl.DataFrame], type: pl.DataType | type[pl.DataType]) -> pl.Series:
    arrow = pl.DataFrame(schema={"value": type}).to_arrow().schema
    batches = chain.from_iterable(table.to_arrow().to_batches() for table in tables)
    with duck.connect() as connection:
        connection.register("found", pyarrow.RecordBatchReader.from_batches(arrow, batches))
        repeated = connection.sql(
            "SELECT value FROM found WHERE value IS NOT NULL GROUP BY value HAVING count(*) > 1"
        )
        values: pl.Series = repeated.pl()["value"].cast(type)
    return values


def _report(quality: Quality) -> dict[str, Any]:
    contract = quality.contract
    return {
        "dataset": contract.name,
        "contract": contract.digest,
        "contract_version": contract.version,
        "rows": quality.valid + quality.quarantined,
        "quarantined": quality.quarantined,
        "rules": [asdict(result) for result in quality.results],
        "missing": quality.missing,
        "unexpected_columns": quality.unexpected,
    }
