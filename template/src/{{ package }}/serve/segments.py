"""Segments of the prediction log: files on a local volume, and their way into the store.

A worker appends to its own segment. An open segment is locked, so a segment that can be locked
belongs to nobody any more.
"""

import errno
import fcntl
import os
import time
import uuid
from pathlib import Path

from .. import records
from ..blobs import Location

SUFFIX = ".jsonl"


class Segment:
    """An open segment for the predictions of one day."""

    def __init__(self, folder: Path, day: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.day = day
        self.size = 0
        self._opened = time.monotonic()
        path = folder / f"{day}.{uuid.uuid4().hex}{SUFFIX}"
        # Locked before it has its name: nobody can take it for a closed one.
        unnamed = path.with_suffix(".new")
        self._file = unnamed.open("xb", buffering=0)
        fcntl.flock(self._file, fcntl.LOCK_EX)
        unnamed.rename(path)

    def age(self) -> float:
        return time.monotonic() - self._opened

    def append(self, lines: bytes) -> None:
        """Write these lines, or none of them and raise OSError."""
        try:
            if self._file.write(lines) < len(lines):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            self._file.truncate(self.size)
            self._file.seek(self.size)
            raise
        self.size += len(lines)

    def close(self) -> None:
        self._file.close()


def folder_bytes(folder: Path) -> int:
    """The size of all segments together, whoever writes them."""
    total = 0
    if folder.is_dir():
        for path in folder.iterdir():
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # it has just been shipped
    return total


def ship_closed(folder: Path, store: Location) -> None:
    """Move every closed segment to the store, under the date of its predictions."""
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file.fileno()).st_nlink == 0:
                    continue  # shipped since it was opened; what it held may be erased by now
                _ship(path, file.read(), store)
        except (BlockingIOError, FileNotFoundError):
            continue  # a worker still writes it, or another one has just shipped it


def _ship(path: Path, content: bytes, store: Location) -> None:
    # A worker that was killed may have left half a line.
    lines = content[: content.rfind(b"\n") + 1]
    if lines:
        records.store(lines, path.stem, path.name.partition(".")[0], store)
    path.unlink()
