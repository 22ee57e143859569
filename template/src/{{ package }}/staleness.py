"""How a model ages, as the backtest of its training found it."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .errors import ProjectError

NAME = "staleness.json"


class StalenessDamaged(ProjectError):
    """A staleness file is not what training writes."""


@dataclass(frozen=True)
class Gap:
    """What an age costs: the mean loss of models so old, less that of fresh ones."""

    age_days: float
    gap: float
    low: float
    high: float


@dataclass(frozen=True)
class Staleness:
    """``max_age_days`` is the age from which a model should be replaced; None when unknown."""

    max_age_days: float | None
    basis: str
    gaps: list[Gap]

    def write(self, folder: Path) -> None:
        text = json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False)
        (folder / NAME).write_text(text + "\n", encoding="utf-8")


def read(folder: Path) -> Staleness | None:
    """What was found for a model; None for one that was made before this was asked.

    Raises StalenessDamaged.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        gaps = [Gap(**gap) for gap in content["gaps"]]
        return Staleness(content["max_age_days"], content["basis"], gaps)
    except (OSError, ValueError, KeyError, TypeError):
        raise StalenessDamaged(f"{path} is damaged: put it back, or train a new model") from None
