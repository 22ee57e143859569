"""The audit log of a model store: one line of JSON for every decision about what serves.

Each line holds the sha256 of the line before it, so that none can be changed, taken out or moved
without the next one telling. A last line without an end is no entry: its writer was killed before
it could say that it had written. Readers leave it out, and the next writer removes it.
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import ProjectError

Entry = dict[str, Any]

# What the first line follows.
NOTHING = "0" * 64


class AuditError(ProjectError):
    """The audit log is not what was written into it, or cannot be written."""


class AuditLog:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.jsonl"

    def append(
        self,
        action: str,
        *,
        model: str | None = None,
        previous: str | None = None,
        reason: str = "",
        **facts: Any,
    ) -> Entry:
        """Add an entry, and return it when it is on the disk; raise AuditError when it is not."""
        entry: Entry = {
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "action": action,
            "model": model,
            "previous": previous,
            "reason": reason,
            **facts,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._append(entry)
        except OSError as error:
            raise AuditError(f"{self.path} cannot be written: {error}") from None
        return entry

    def _append(self, entry: Entry) -> None:
        with self.path.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            content = file.read()
            lines = _lines(content)
            end = sum(len(line) + 1 for line in lines)
            file.truncate(end)
            entry["before"] = _sha256(lines[-1]) if lines else NOTHING
            line = json.dumps(entry).encode() + b"\n"
            if file.write(line) < len(line):
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())

    def entries(self) -> list[Entry]:
        """All entries, oldest first. A line that is none is left out; ``verify`` names it."""
        return [entry for line in self._read() if (entry := _parse(line)) is not None]

    def verify(self) -> None:
        """Raise AuditError, with the line, when the lines are not those that were written.

        The chain cannot tell that the newest lines are missing; the champion pointer can.
        """
        before = NOTHING
        for number, line in enumerate(self._read(), start=1):
            entry = _parse(line)
            if entry is None or entry.get("before") != before:
                raise AuditError(
                    f"{self.path} was altered: line {number} does not follow from what is before "
                    "it; compare with a backup"
                )
            before = _sha256(line)

    def _read(self) -> list[bytes]:
        try:
            return _lines(self.path.read_bytes())
        except FileNotFoundError:
            return []
        except OSError as error:
            raise AuditError(f"{self.path} cannot be read: {error}") from None


def _lines(content: bytes) -> list[bytes]:
    """The lines that have an end."""
    return content.split(b"\n")[:-1]


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _parse(line: bytes) -> Entry | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and "action" in entry else None


@dataclass
class History:
    """What the entries tell of the champions.

    ``served`` are those that one can go back to, oldest first, and the ``champion`` itself.
    ``rolled_back`` holds the entry by which each of the others was taken out of service.
    """

    champion: str | None = None
    served: list[str] = field(default_factory=list)
    rolled_back: dict[str, Entry] = field(default_factory=dict)


def history(entries: Iterable[Entry]) -> History:
    told = History()
    for entry in entries:
        if entry["action"] not in ("promote", "rollback", "correct"):
            continue
        model, previous = entry.get("model"), entry.get("previous")
        told.champion = model
        if model is None:
            continue
        told.rolled_back.pop(model, None)
        if entry["action"] != "promote" and model in told.served:
            last = len(told.served) - 1 - told.served[::-1].index(model)
            del told.served[last + 1 :]
            if entry["action"] == "rollback" and previous is not None:
                told.rolled_back[previous] = entry
        elif told.served[-1:] != [model]:
            told.served.append(model)
    return told


def table(entries: Iterable[Entry]) -> str:
    """The entries as lines of text for people, digests cut short."""
    rows = [("time", "action", "model", "previous", "reason")]
    for entry in entries:
        digests = [(entry.get(key) or "-")[:12] for key in ("model", "previous")]
        rows.append((entry["time"], entry["action"], *digests, _printable(entry["reason"])))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]])
        for row in rows
    )


def _printable(text: str) -> str:
    # A reason may come from outside: it must not steer the terminal.
    return "".join(letter if letter.isprintable() else " " for letter in text)
