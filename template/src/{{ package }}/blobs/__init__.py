"""Files by name in one place: a folder, or a bucket by its URL.

A URL is s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX. Who may use a bucket is
settled by its cloud's own chain of credentials; none stands in a file of the project.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol

from ..errors import ProjectError

Location = Path | str

SCHEMES = ("s3", "gs", "az")
# To write a file whether or not there is one of its name.
ANY = "*"


class BlobError(ProjectError, OSError):
    """A bucket cannot be reached, or does not do what it was asked for."""


class Taken(BlobError):
    """The file is not, or no longer, what it was to be written over."""


@dataclass(frozen=True)
class Blob:
    """``tag`` changes whenever the content does."""

    content: bytes
    tag: str


@dataclass(frozen=True)
class Listed:
    name: str
    changed: datetime
    tag: str


class Blobs(Protocol):
    """Names are relative and use slashes. Each write is seen whole or not at all."""

    def read(self, name: str) -> Blob:
        """Raises FileNotFoundError."""

    def write(self, name: str, content: bytes) -> None: ...

    def files(self, folder: str = "") -> Iterable[Listed]:
        """All that is in a folder, whose name ends with a slash, and below it."""

    def folders(self) -> Iterable[str]:
        """The folders at the top, by name."""

    def delete(self, name: str) -> None:
        """Also of a file that is not there."""

    def clear(self, folder: str) -> None:
        """Delete all that is in a folder."""


class Bucket(Blobs, Protocol):
    def write(self, name: str, content: bytes, over: str | None = ANY) -> None:
        """Write over the content with this tag, or None where there must be none; raise Taken."""


def location(text: Location) -> Location:
    """A URL as it is, everything else as a folder; raises ValueError for a URL of no bucket."""
    if isinstance(text, Path) or "://" not in text:
        return Path(text)
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES or rest.startswith("/") or not rest:
        names = ", ".join(f"{known}://" for known in SCHEMES)
        raise ValueError(f"{text} is neither a folder nor a bucket ({names} and its name)")
    return text.rstrip("/")


def at(place: Location) -> Blobs:
    """What is in this place; raises BlobError when the project has no client for its kind."""
    return Folder(place) if isinstance(place, Path) else bucket(place)


@cache
def bucket(url: str) -> Bucket:
    """What is below this URL; raises BlobError when the project has no client for its kind."""
    scheme, _, rest = url.partition("://")
    name, _, prefix = rest.partition("/")
    try:
        module = import_module(f"{__name__}.{scheme}")
    except ModuleNotFoundError as error:
        if error.name != f"{__name__}.{scheme}":
            raise BlobError(f"{url} needs {error.name}, which is not installed") from None
        raise BlobError(
            f"{url}: this project has no client for {scheme}://; the answer to cloud decides, "
            "and `dayone update` changes it"
        ) from None
    opened: Bucket = module.Bucket(url, name, f"{prefix}/" if prefix else "")
    return opened


class Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, name: str) -> Blob:
        path = self._root / name
        return Blob(path.read_bytes(), str(path.stat().st_mtime_ns))

    def write(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            file.write(content)
            os.fsync(file.fileno())
        unfinished.replace(path)

    def files(self, folder: str = "") -> Iterable[Listed]:
        for path in sorted((self._root / folder).rglob("*")):
            if path.suffix == ".unfinished" or path.is_dir():
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                continue  # retention or erasure has just taken it away
            name = path.relative_to(self._root).as_posix()
            changed = datetime.fromtimestamp(status.st_mtime, UTC)
            yield Listed(name, changed, str(status.st_mtime_ns))

    def folders(self) -> Iterable[str]:
        return sorted(path.name for path in self._root.glob("*") if path.is_dir())

    def delete(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def clear(self, folder: str) -> None:
        with contextlib.suppress(FileNotFoundError):  # another process has just removed it
            shutil.rmtree(self._root / folder)
