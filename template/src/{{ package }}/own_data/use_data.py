"""One command from a table to a project that is about it."""

import json
import re
import shutil
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import polars as pl
import yaml
from jinja2 import Template
from ruamel.yaml import YAML

from .. import charter
from ..model import file_digest
from ..params import Task, load
from ..settings import LANDING, MODEL_NAME
from . import describe, infer, synthetic
from .infer import Roles, TableError

SAMPLE = "flights"
# features.py as this project was started with; one that a person has changed is never replaced.
STARTED_WITH = "df4a2759707c1863487d1db8d2a961e25ef29971a30da842eb2ebb06eb888ed9"
MOST_SLICES = 3
PACKAGE = Path("src") / __name__.partition(".")[0]


@dataclass(frozen=True)
class OwnData:
    dataset: str
    task: Task
    positive: Any
    rows: int
    without_target: int
    features: list[str]
    set_aside: list[str]
    written: list[Path]
    removed: list[Path]
    kept: list[Path]


def use_data(source: Path, roles: Roles, wanted_task: Task | None = None) -> OwnData:
    """Make the project's data the table in ``source``.

    Writes the contract, the SQL, the parameters, a synthetic sample for the tests, and the parts of
    charter and data card that a person has to fill in. Raises TableError, with nothing written,
    when the table cannot be used.
    """
    params = load()
    table = infer.read(source)
    infer.check_roles(table, roles)
    task = infer.infer_task(table[roles.target], wanted_task)
    inferred_roles = {name: describe.role(table[name], roles) for name in table.columns}
    inputs = [name for name, role in inferred_roles.items() if role in ("feature", "time")]
    set_aside = [name for name, role in inferred_roles.items() if role == "forbidden"]
    if "feature" not in inferred_roles.values():
        raise TableError("no column is left that could be a feature")

    dataset = re.sub(r"\W+", "_", source.stem).strip("_") or "table"
    positive = infer.positive_class(table[roles.target]) if task == "binary" else None
    ids = {name for name, role in inferred_roles.items() if role in ("id", "forbidden")}
    sample = synthetic.sample(table, roles.target, ids)
    contract_path = Path("contracts") / f"{dataset}.odcs.yaml"
    document = describe.contract(table, dataset, roles, task, _owner())
    written = [
        _write(contract_path, describe.HEADER + _yaml(document)),
        _write(Path("sql/training.sql"), _sql(dataset, roles.target)),
        _write_sample(Path("data/sample") / f"{dataset}.parquet", sample),
        _update_params(
            {
                "task": task,
                "positive": positive,
                "data": {"dataset": dataset, "source": _portable(source)},
                "slices": _slices(table, inferred_roles),
            }
        ),
        *(
            _write(Path("docs") / name, _text(name, source, roles, task))
            for name in ("charter.md", "data_card.md")
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
        written=written,
        removed=removed,
        kept=[] if replaceable else [features],
    )


def _remove_sample() -> list[Path]:
    paths = [
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
    return metadata.metadata(MODEL_NAME).get("Author") or "unknown"


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


def _sql(dataset: str, target: str) -> str:
    quoted = target.replace('"', '""')
    return (
        "-- How the landed datasets become the training table (DuckDB).\n"
        f"-- A row without a target teaches nothing.\n"
        f'SELECT *\nFROM "{dataset}"\nWHERE "{quoted}" IS NOT NULL\n'
    )


def _text(name: str, source: Path, roles: Roles, task: Task) -> str:
    text = resources.files(__package__).joinpath(f"{name}.j2").read_text(encoding="utf-8")
    kpi = f"In one sentence: what improves for the business when {roles.target} is predicted"
    template = Template(text, trim_blocks=True, keep_trailing_newline=True)
    return template.render(
        costs=charter.KINDS[task],
        kpi=json.dumps(kpi, ensure_ascii=False),
        source=source.name,
        target=roles.target,
        task=task,
    )


def _update_params(values: dict[str, Any]) -> Path:
    """Change these keys of params.yaml and keep the comments."""
    path = Path("params.yaml")
    yaml_file = YAML()
    yaml_file.preserve_quotes = True
    params = yaml_file.load(path)
    for key, value in values.items():
        if isinstance(value, dict):
            params[key].update(value)
        else:
            params[key] = value
    unfinished = path.with_suffix(".unfinished")
    yaml_file.dump(params, unfinished)
    unfinished.replace(path)
    return path


def _write_sample(path: Path, sample: pl.DataFrame) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sample.write_parquet(path, compression="zstd")
    return path


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
