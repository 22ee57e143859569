"""Retention: logged predictions and observations go when they are old enough."""

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from .errors import ProjectError
from .params import Params
from .settings import MODEL_NAME, Settings
from .store import ModelStore

DAY = re.compile(r"date=(\d{4}-\d{2}-\d{2})")


class RetentionError(ProjectError):
    """Something old cannot be removed."""


@dataclass(frozen=True)
class Expired:
    """What is older than ``days``: folders of logged days, and files."""

    days: float
    predictions: list[Path]
    observations: list[Path]

    @property
    def paths(self) -> list[Path]:
        return [*self.predictions, *self.observations]


def find(settings: Settings, params: Params, now: datetime | None = None) -> Expired:
    """What is older than ``retention_days`` of the parameters; ``now`` is aware, in any zone.

    A day of predictions counts from its end, a file from its last change.
    """
    oldest = (now or datetime.now(UTC)).astimezone(UTC) - timedelta(days=params.retention_days)
    return Expired(
        params.retention_days,
        [path for path, day in _days(settings.prediction_store) if day < oldest.date()],
        _files(settings.observations, oldest),
    )


def expire(settings: Settings, params: Params, now: datetime | None = None) -> Expired:
    """Remove what is too old, and note it in the audit log; raise RetentionError if it stays."""
    expired = find(settings, params, now)
    if not expired.paths:
        return expired
    for path in expired.paths:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # another process has just removed it
        except OSError as error:
            raise RetentionError(f"{path} is too old and cannot be removed: {error}") from None
    ModelStore(settings.model_store, MODEL_NAME).audit.append(
        "expire",
        reason=f"older than {expired.days:g} days",
        days=[path.name.removeprefix("date=") for path in expired.predictions],
        observations=len(expired.observations),
    )
    return expired


def _days(store: Path) -> list[tuple[Path, date]]:
    """The folders of the prediction store, with their days."""
    found = []
    for path in sorted(store.glob("date=*")):
        if name := DAY.fullmatch(path.name):
            try:
                found.append((path, date.fromisoformat(name[1])))
            except ValueError:
                continue  # looks like a day and is none
    return found


def _files(folder: Path, oldest: datetime) -> list[Path]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if path.stat().st_mtime < oldest.timestamp()]
