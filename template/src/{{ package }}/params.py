"""params.yaml as typed values: what a data scientist tunes."""

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
)

from .errors import ProjectError

Task = Literal["binary", "multiclass", "regression"]
# It is the name of a folder, a contract, and a table in sql/training.sql.
DatasetName = Annotated[str, StringConstraints(pattern=r"^\w+$")]


class ParamsError(ProjectError):
    """params.yaml does not say what is needed."""


class Section(BaseModel):
    # A misspelt key would otherwise be ignored, and its default used, in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    dataset: str
    source: str
    # Only rows of the newest days are trained and judged on; all where it is None.
    window_days: float | None = Field(default=None, gt=0)


class Validation(Section):
    max_quarantined: float = Field(ge=0, le=1)


class Split(Section):
    valid: float = Field(gt=0, lt=0.5)
    test: float = Field(gt=0, lt=0.5)


class Model(Section):
    kind: Literal["auto", "lightgbm", "linear"]
    trees: int = Field(gt=0)
    leaves: int = Field(gt=1)
    learning_rate: float = Field(gt=0)
    min_rows_in_leaf: int = Field(gt=0)
    bagging_fraction: float = Field(gt=0, le=1)
    max_categories: int = Field(gt=1)


class Gates(Section):
    confidence: float = Field(gt=0.5, lt=1)
    resamples: int = Field(ge=100)
    slice_min_rows: int = Field(ge=10)
    slice_min_skill: float = Field(lt=1)
    # On the rows that the champion was judged on.
    anchor_min_skill: float = Field(default=0.0, lt=1)
    # The share of a fresh model's loss that an old one may lose before it counts as stale.
    staleness_tolerance: float = Field(default=0.05, ge=0)
    # The newest logged requests that a challenger answers, and how many times as long it may take.
    shadow_rows: int = Field(default=2_000, gt=0)
    shadow_latency: float = Field(default=3, ge=1)


class Observe(Section):
    """What `observe` looks at, and from when on it calls something drifted."""

    window_hours: float = Field(default=168, gt=0)
    min_rows: int = Field(default=200, ge=50)
    psi_limit: float = Field(default=0.2, gt=0)
    skew_limit: float = Field(default=1e-6, ge=0)
    overdue_limit: float = Field(default=0.5, gt=0, le=1)
    # The observations that are kept, the newest.
    keep: int = Field(default=100, gt=0)


class Params(Section):
    task: Task
    positive: bool | int | str | None = None
    seed: int | None
    threads: int = Field(gt=0)
    data: Data
    # Where datasets come from, by their names; what else a source needs depends on its kind.
    sources: dict[DatasetName, dict[str, Any]] = {}
    # Where `score --to` writes predictions, by the names given to it.
    sinks: dict[str, dict[str, Any]] = {}
    validation: Validation = Field(alias="validate")
    split: Split
    slices: list[str]
    model: Model
    gates: Gates
    observe: Observe = Observe()
    # How long logged predictions and observations are kept.
    retention_days: float = Field(default=90, gt=0)

    @field_validator("sources", "sinks")
    @classmethod
    def _each_has_a_kind(cls, places: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for name, given in places.items():
            if not isinstance(given.get("kind"), str):
                raise ValueError(f"{name} has no kind, as in kind: files")
        return places

    @property
    def contract_path(self) -> Path:
        return Path("contracts") / f"{self.data.dataset}.odcs.yaml"


def load(path: Path = Path("params.yaml")) -> Params:
    """Read the parameters; raise ParamsError that names the file and the key."""
    try:
        return Params.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ParamsError(f"{path} does not exist: run this from the project's folder") from None
    except yaml.YAMLError as error:
        raise ParamsError(f"{path} is not valid YAML: {error}") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise ParamsError(f"{path}: {'; '.join(problems)}") from None
