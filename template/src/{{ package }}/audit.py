"""The audit log of a model store: one line of JSON for every decision about what serves.

Each line holds the sha256 of the line before it, so that none can be changed, taken out or moved
without the next one telling. In a folder they stand in audit.jsonl. A last line without an end is
no entry: its writer was killed before it could say that it had written. Readers leave it out, and
the next writer removes it. In a bucket each line is an object of its own, audit/<number>.json, that
only one writer can create.
"""

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import blobs
from .blobs import Location, Taken
from .errors import ProjectError

Entry = dict[str, Any]
# From the lines so far to the next one.
Next = Callable[[list[bytes]], bytes]

# What the first line follows.
NOTHING = "0" * 64

FOLDER = "audit/"
READERS = 16


class AuditError(ProjectError):
    """The audit log is not what was written into it, or cannot be written."""


class Overtaken(ProjectError):
    """The log tells of another champion than the one that a decision was made against."""


class AuditLog:
    """``path`` says where its lines are."""

    def __init__(self, place: Location) -> None:
        self._lines = _File(place) if isinstance(place, Path) else _Objects(place)
        self.path: Location = self._lines.path

    def append(
        self,
        action: str,
        *,
        model: str | None = None,
        previous: str | None = None,
        reason: str = "",
        **facts: Any,
    ) -> Entry:
        """Add an entry, and return it when it is kept; raise AuditError when it is not."""
        return self._add(_entry(action, model, previous, reason, facts), lambda lines: None)

    def decide(
        self, action: str, *, model: str, previous: str | None, reason: str, **facts: Any
    ) -> Entry:
        """Add an entry about the next champion; raise Overtaken if ``previous`` is not the last."""

        def check(lines: list[bytes]) -> None:
            if history(_entries(lines)).champion != previous:
                raise Overtaken(f"{self.path} tells of another champion than {previous}")

        return self._add(_entry(action, model, previous, reason, facts), check)

    def _add(self, entry: Entry, check: Callable[[list[bytes]], None]) -> Entry:
        def line(lines: list[bytes]) -> bytes:
            check(lines)
            entry["before"] = _sha256(lines[-1]) if lines else NOTHING
            return json.dumps(entry).encode()

        try:
            self._lines.add(line)
        except OSError as error:
            raise AuditError(f"{self.path} cannot be written: {error}") from None
        return entry

    def entries(self) -> list[Entry]:
        """All entries, oldest first. A line that is none is left out; ``verify`` names it."""
        return _entries(self._read())

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
            return self._lines.read()
        except OSError as error:
            raise AuditError(f"{self.path} cannot be read: {error}") from None


class _File:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.jsonl"

    def read(self) -> list[bytes]:
        try:
            return _lines(self.path.read_bytes())
        except FileNotFoundError:
            return []

    def add(self, next: Next) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab+", buffering=0) as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            lines = _lines(file.read())
            end = sum(len(line) + 1 for line in lines)
            file.truncate(end)
            line = next(lines) + b"\n"
            if file.write(line) < len(line):
                file.truncate(end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())


class _Objects:
    def __init__(self, url: str) -> None:
        self.path = f"{url}/{FOLDER}"
        self._bucket = blobs.bucket(url)
        # By name and tag: what has been read is read again only when it has changed.
        self._known: dict[tuple[str, str], bytes] = {}

    def read(self) -> list[bytes]:
        found = sorted((listed.name, listed.tag) for listed in self._bucket.files(FOLDER))
        new = [key for key in found if key not in self._known]
        if new:
            with ThreadPoolExecutor(READERS) as pool:
                contents = pool.map(lambda key: self._bucket.read(key[0]).content, new)
                self._known |= dict(zip(new, contents, strict=True))
        # A number that is left out is an entry that is gone: nothing follows from an empty line.
        lines = {name: self._known[name, tag] for name, tag in found}
        last = int(Path(found[-1][0]).stem) if found else 0
        return [lines.get(_numbered(number), b"") for number in range(1, last + 1)]

    def add(self, next: Next) -> None:
        while True:
            lines = self.read()
            name, line = _numbered(len(lines) + 1), next(lines)
            try:
                self._bucket.write(name, line, over=None)
                return
            except Taken:
                if self._bucket.read(name).content == line:
                    return  # written, but the answer was lost, and the client tried again


def _numbered(number: int) -> str:
    return f"{FOLDER}{number:08}.json"


def _lines(content: bytes) -> list[bytes]:
    """The lines that have an end."""
    return content.split(b"\n")[:-1]


def _sha256(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _entry(
    action: str, model: str | None, previous: str | None, reason: str, facts: Entry
) -> Entry:
    time = datetime.now(UTC).isoformat(timespec="seconds")
    entry = {"time": time, "action": action, "model": model, "previous": previous}
    return {**entry, "reason": reason, **facts}


def _entries(lines: Iterable[bytes]) -> list[Entry]:
    return [entry for line in lines if (entry := _parse(line)) is not None]


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
