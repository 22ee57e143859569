"""Put a person's own table in the place of the sample."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from . import charter, infer, labels, synthetic
from .infer import Roles, TableError
from .model import file_digest
from .params import Task, load
from .settings import LANDING, MODEL_NAME

SAMPLE = "flights"
# features.py as this project was started with; one that a person has changed is never replaced.
# pragma: allowlist nextline secret
STARTED_WITH = "df4a2759707c1863487d1db8d2a961e25ef29971a30da842eb2ebb06eb888ed9"
MOST_SLICES = 3
PACKAGE = Path("src") / __name__.partition(".")[0]

PARAMS = Path("params.yaml")
TRAINING_SQL = Path("sql/training.sql")
DATA_CARD = Path("docs/data_card.md")
OVERWRITTEN = [labels.PATH, PARAMS, TRAINING_SQL, DATA_CARD, charter.PATH]

SQL = """\
-- How the landed datasets become the training table (DuckDB).
-- A row without a target teaches nothing.
SELECT *
FROM "{dataset}"
WHERE "{target}" IS NOT NULL
"""
CHARTER = """\
---
kpi: {kpi}
owner: "Who answers for it"
signed: null
costs:
  unit: points
{costs}---
# Charter

The evaluation report reads the costs above: what one wrong prediction costs, by its kind. With
equal costs it only counts errors; put in what they cost you.

## What is decided with the prediction

Who acts on it, when, and what they do otherwise.

## What counts as success

The KPI above, its value today, and the value at which the project has paid for itself.

## Sign-off

The person who owns the KPI sets `owner` and `signed` (a date) above.
"""
DATA_CARD_TEXT = """\
# Data card

Source: `{source}`. Target: `{target}` ({task}). What each column means, when it is known and how
it is classified stands in the contract, under `contracts/`.

`data/sample/` holds a synthetic stand-in: the table's columns and value ranges and none of its
rows. Tests and CI run on it.

## Origin and licence

Where the table comes from, who may use it, and for what.

## People in the data

Whether it describes persons, on what legal basis it is used, and how long it may be kept.

## Last run

<!-- run:begin -->
Filled in by `register`.
<!-- run:end -->
"""


@dataclass(frozen=True)
class OwnData:
    dataset: str
    task: Task
    positive: Any
    rows: int
    without_target: int
    features: list[str]
    set_aside: list[str]
    giving_away: list[str]
    dates: list[str]
    written: list[Path]
    removed: list[Path]
    kept: list[Path]


def use_data(source: Path, roles: Roles, wanted_task: Task | None = None) -> OwnData:
    """Make the project's data the table in ``source``.

    Writes its contract and that of its labels, the SQL, the parameters, a synthetic sample for the
    tests, and the parts of charter and data card that a person has to fill in. Raises TableError,
    with nothing written, when the table cannot be used.
    """
    params = load()
    table = infer.read(source)
    infer.check_roles(table, roles)
    task = infer.infer_task(table[roles.target], wanted_task)
    if task != "regression":
        table = table.with_columns(infer.as_classes(table[roles.target]))
    inferred_roles = {name: infer.role(table[name], roles) for name in table.columns}
    inputs = [name for name, role in inferred_roles.items() if role in ("feature", "time")]
    set_aside = [name for name, role in inferred_roles.items() if role == "forbidden"]
    if "feature" not in inferred_roles.values():
        raise TableError("no column is left that could be a feature")

    dataset = _dataset_name(source)
    positive = infer.positive_class(table[roles.target]) if task == "binary" else None
    ids = {name for name, role in inferred_roles.items() if role in ("id", "forbidden")}
    sample = synthetic.sample(table, roles.target, ids)
    contract_path = Path("contracts") / f"{dataset}.odcs.yaml"
    _check_committed([contract_path, *OVERWRITTEN])
    owner = _owner()
    document = infer.contract(table, dataset, roles, task, owner)
    labels_document = infer.labels_contract(table, roles, owner)
    written = [
        _write(contract_path, infer.HEADER + _yaml(document)),
        _write(labels.PATH, infer.LABELS_HEADER + _yaml(labels_document)),
        _write(TRAINING_SQL, SQL.format(dataset=dataset, target=roles.target.replace('"', '""'))),
        _write_sample(Path("data/sample") / f"{dataset}.parquet", sample),
        _update_params(
            {
                "task": task,
                "positive": positive,
                "data": {"dataset": dataset, "source": _portable(source)},
                "slices": _slices(table, inferred_roles),
            }
        ),
        _write(charter.PATH, _charter(roles.target, task)),
        _write(
            DATA_CARD, DATA_CARD_TEXT.format(source=source.name, target=roles.target, task=task)
        ),
    ]
    features, general = PACKAGE / "features.py", PACKAGE / "general_features.py"
    replaceable = file_digest(features) in (STARTED_WITH, file_digest(general))
    if replaceable:
        shutil.copyfile(general, features)
        written.append(features)
    removed = _remove_sample() if params.data.dataset == SAMPLE != dataset else []
    return OwnData(
        dataset=dataset,
        task=task,
        positive=positive,
        rows=table.height,
        without_target=table[roles.target].null_count(),
        features=inputs,
        set_aside=set_aside,
        giving_away=[name for name in inputs if infer.gives_away(table[name], table[roles.target])],
        dates=[
            name
            for name in inputs
            if roles.time is None and infer.logical_type(table[name]) in ("date", "timestamp")
        ],
        written=written,
        removed=removed,
        kept=[] if replaceable else [features],
    )


def _dataset_name(source: Path) -> str:
    name = re.sub(r"\W+", "_", source.stem).strip("_") or "table"
    # The contract of the labels has that name.
    return name if name != "labels" else "labels_table"


def _check_committed(paths: list[Path]) -> None:
    """Refuse to overwrite what git could not bring back."""
    command = ["git", "diff", "--name-only", "--relative", "HEAD", "--", *map(str, paths)]
    changed = subprocess.run(command, capture_output=True, text=True, check=False)
    # Before the first commit there is nothing of a person's to lose, and git fails.
    if changed.returncode == 0 and changed.stdout:
        names = ", ".join(changed.stdout.splitlines())
        raise TableError(f"{names}: changed, and would be overwritten; commit first")


def _remove_sample() -> list[Path]:
    paths = [
        Path("docs/decisions/0001-predict-at-departure.md"),
        Path("contracts") / f"{SAMPLE}.odcs.yaml",
        Path("data/sample") / f"{SAMPLE}.parquet",
        Path("data/sample/make_flights.py"),
        LANDING / SAMPLE,
    ]
    removed = [path for path in paths if path.exists()]
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return removed


def _owner() -> str:
    authors = metadata.metadata(MODEL_NAME).get_all("Author")
    return authors[0] if authors else "unknown"


def _portable(source: Path) -> str:
    """Relative to the project where the table is inside of it, else absolute."""
    path = source.resolve()
    root = Path.cwd().resolve()
    return (path.relative_to(root) if path.is_relative_to(root) else path).as_posix()


def _slices(table: pl.DataFrame, roles: dict[str, str]) -> list[str]:
    """Columns by whose groups a model should be judged: categories first, then numbers."""
    features = [table[name] for name, role in roles.items() if role == "feature"]
    groups = [
        column.name
        for column in features
        if infer.logical_type(column) in ("string", "boolean")
        and 2 <= column.n_unique() <= infer.MOST_LEVELS
    ]
    numbers = [column.name for column in features if column.dtype.is_numeric()]
    return (groups + numbers)[:MOST_SLICES]


def _charter(target: str, task: Task) -> str:
    kpi = f"In one sentence: what improves for the business when {target} is predicted"
    costs = "".join(f"  {kind}: 1\n" for kind in charter.KINDS[task])
    return CHARTER.format(kpi=json.dumps(kpi, ensure_ascii=False), costs=costs)


def _update_params(values: dict[str, Any]) -> Path:
    """Change these keys of params.yaml and keep the comments."""
    yaml_file = YAML()
    yaml_file.preserve_quotes = True
    params = yaml_file.load(PARAMS)
    for key, value in _quoted(values).items():
        if isinstance(value, dict):
            params[key].update(value)
        else:
            params[key] = value
    unfinished = PARAMS.with_suffix(".unfinished")
    yaml_file.dump(params, unfinished)
    unfinished.replace(PARAMS)
    return PARAMS


def _quoted(value: Any) -> Any:
    """The same with quotes around each text: without, `no` and `null` would be something else."""
    if isinstance(value, dict):
        return {key: _quoted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) else value


def _write_sample(path: Path, sample: pl.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sample.write_parquet(path, compression="zstd")
    return path


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _yaml(document: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return text
