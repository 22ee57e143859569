"""params.yaml as typed values: what a data scientist tunes."""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ProjectError

Task = Literal["binary", "multiclass", "regression"]


class ParamsError(ProjectError):
    """params.yaml does not say what is needed."""


class Section(BaseModel):
    # A misspelt key would otherwise be ignored, and its default used, in silence.
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    dataset: str
    source: str


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


class Params(Section):
    task: Task
    positive: bool | int | str | None = None
    seed: int | None
    threads: int = Field(gt=0)
    data: Data
    validation: Validation = Field(alias="validate")
    split: Split
    slices: list[str]
    model: Model
    gates: Gates

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
