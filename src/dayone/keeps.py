"""dayone.toml: the template's files that a project keeps in its own way, why, and until when."""

import datetime
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dayone.errors import DayoneError
from dayone.ownership import matches

KEEPS_FILE = "dayone.toml"
_KEYS = ("path", "reason", "until")


@dataclass(frozen=True)
class Keep:
    """A file or folder that may differ from the template up to and including a day."""

    path: str
    reason: str
    until: datetime.date

    @property
    def expired(self) -> bool:
        return self.until < datetime.date.today()

    def covers(self, path: str) -> bool:
        return matches(self.path, path)


def read_keeps(project: Path) -> list[Keep]:
    """The [[keep]] tables of a project; none where there is no file."""
    file = project / KEEPS_FILE
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise DayoneError(f"{file} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DayoneError(f"{file} is not TOML: {error}") from error
    for name in content:
        if name != "keep":
            raise DayoneError(f"{file} has an unknown key {name}. It holds [[keep]] tables only.")
    tables = content.get("keep", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise DayoneError(f"{file}: each opt-out is a table of its own, under the line [[keep]].")
    return [_keep(table, f"{file}, [[keep]] number {i}") for i, table in enumerate(tables, 1)]


def _keep(table: dict[str, Any], where: str) -> Keep:
    for name in table:
        if name not in _KEYS:
            raise DayoneError(f"{where} has an unknown key {name}. There are: {', '.join(_KEYS)}.")
    return Keep(
        path=_text(table, "path", where, "the file or folder, from the project's folder"),
        reason=_text(table, "reason", where, "why it has to differ"),
        until=_date(table, where),
    )


def _text(table: dict[str, Any], name: str, where: str, meaning: str) -> str:
    value = table.get(name)
    if not isinstance(value, str) or not value.strip():
        raise DayoneError(f"{where} needs a {name}: {meaning}.")
    return value.strip()


def _date(table: dict[str, Any], where: str) -> datetime.date:
    until = table.get("until")
    if type(until) is not datetime.date:  # a time of day is a date for Python as well
        raise DayoneError(f"{where} needs until: its last day, as in until = 2030-12-31, unquoted.")
    return until


def refuse_idle(keeps: list[Keep], held: list[str], version: str) -> None:
    """Every opt-out covers at least one of the files that are held to the template."""
    for keep in keeps:
        if not any(keep.covers(path) for path in held):
            raise DayoneError(
                f"{KEEPS_FILE} keeps {keep.path}, but {version} brings no file of owner template "
                "there. Correct its path, or remove that [[keep]] table."
            )


def deciding(keeps: list[Keep], path: str) -> Keep | None:
    """The opt-out of a file; of several, the one that lasts longest."""
    return max(
        (keep for keep in keeps if keep.covers(path)), key=lambda keep: keep.until, default=None
    )
