"""The costs of wrong predictions, from the front matter of docs/charter.md."""

from datetime import date
from pathlib import Path

import numpy as np
import yaml
from pydantic import Field, ValidationError

from .errors import ProjectError
from .metrics import Array, decide
from .params import Section, Task

PATH = Path("docs/charter.md")

KINDS: dict[Task, tuple[str, ...]] = {
    "binary": ("false_alarm", "miss"),
    "multiclass": ("wrong",),
    "regression": ("too_high", "too_low"),
}


class CharterError(ProjectError):
    """The charter's front matter does not say what is needed."""


class Costs(Section):
    """What one wrong prediction costs, in ``unit``; for regression, per unit of error."""

    unit: str = "points"
    false_alarm: float = Field(default=1, gt=0)
    miss: float = Field(default=1, gt=0)
    wrong: float = Field(default=1, gt=0)
    too_high: float = Field(default=1, ge=0)
    too_low: float = Field(default=1, ge=0)

    @property
    def threshold(self) -> float:
        """The probability from which saying "positive" is the cheaper answer (Elkan 2001)."""
        return self.false_alarm / (self.false_alarm + self.miss)

    def of(self, task: Task) -> dict[str, float]:
        """The costs that count for a task, by name."""
        return {kind: getattr(self, kind) for kind in KINDS[task]}

    def assumed(self, task: Task) -> list[str]:
        """The costs among them that the charter leaves open, so that 1 is used."""
        return [kind for kind in KINDS[task] if kind not in self.model_fields_set]

    def per_row(self, task: Task, target: Array, output: Array, threshold: float | None) -> Array:
        """The cost (n,) of predicting ``output`` where ``target`` came true, in ``unit``."""
        if task == "regression":
            error = output - target
            cost = np.where(error > 0, self.too_high * error, -self.too_low * error)
        elif task == "multiclass":
            cost = self.wrong * (decide(task, output, threshold) != target)
        else:
            alarm = decide(task, output, threshold) - target
            cost = self.false_alarm * (alarm > 0) + self.miss * (alarm < 0)
        return np.asarray(cost, dtype=np.float64)


class Charter(Section):
    kpi: str
    owner: str
    signed: date | str | None = None
    costs: Costs = Costs()


def load(path: Path = PATH) -> Charter:
    """Read the front matter; raise CharterError that names the file and the key."""
    try:
        text = path.read_text(encoding="utf-8")
        fence, front_matter, _ = text.split("---\n", 2)
        if fence.strip():
            raise ValueError
        return Charter.model_validate(yaml.safe_load(front_matter))
    except FileNotFoundError:
        raise CharterError(f"{path} does not exist: run this from the project's folder") from None
    except yaml.YAMLError as error:
        raise CharterError(f"{path}: the front matter is not valid YAML: {error}") from None
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise CharterError(f"{path}: {'; '.join(problems)}") from None
    except ValueError:
        raise CharterError(f"{path} must begin with YAML between two lines of ---") from None
