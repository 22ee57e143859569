"""Retention: logged predictions and observations go when they are old enough."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from . import blobs, records
from .errors import ProjectError
from .params import Params
from .settings import MODEL_NAME, Settings
from .store import ModelStore


class RetentionError(ProjectError):
    """Something old cannot be removed."""


@dataclass(frozen=True)
class Expired:
    """What is older than ``days``: days of the prediction store, and files of observations."""

    days: float
    predictions: list[str]
    observations: list[str]

    @property
    def paths(self) -> list[str]:
        return [*self.predictions, *self.observations]


def find(settings: Settings, params: Params, now: datetime | None = None) -> Expired:
    """What is older than ``retention_days`` of the parameters; ``now`` is aware, in any zone.

    A day of predictions counts from its end, a file from its last change.
    """
    oldest = (now or datetime.now(UTC)).astimezone(UTC) - timedelta(days=params.retention_days)
    store = settings.prediction_store
    return Expired(
        params.retention_days,
        [f"{store}/{name}" for name, day in records.days(store) if day < oldest.date()],
        _files(settings.observations, oldest),
    )


def expire(settings: Settings, params: Params, now: datetime | None = None) -> Expired:
    """Remove what is too old, and note it in the audit log; raise RetentionError if it stays."""
    expired = find(settings, params, now)
    if not expired.paths:
        return expired
    days = [place.rpartition("/")[2] for place in expired.predictions]
    try:
        for day in days:
            blobs.at(settings.prediction_store).clear(f"{day}/")
        for path in expired.observations:
            Path(path).unlink(missing_ok=True)
    except OSError as error:
        raise RetentionError(f"what is too old cannot be removed: {error}") from None
    ModelStore(settings.model_store, MODEL_NAME).audit.append(
        "expire",
        reason=f"older than {expired.days:g} days",
        days=[day.removeprefix("date=") for day in days],
        observations=len(expired.observations),
    )
    return expired


def _files(folder: Path, oldest: datetime) -> list[str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [str(path) for path in files if path.stat().st_mtime < oldest.timestamp()]
