"""What has landed of a dataset: parts in Parquet, and the manifest that names them.

The manifest is replaced as a whole, with the position in the source behind its parts. A file that
it does not name is what a run left that was stopped: nobody reads it, and the next run removes it.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

from . import parquet
from .errors import ProjectError
from .settings import LANDING
from .sources import Position

MANIFEST = "manifest.json"
LOCK = Path("var/landing.lock")
WAIT_SECONDS = 5.0


class LandingError(ProjectError):
    """The landing cannot be used as it is."""


class NothingLanded(ProjectError):
    """There is no landed data."""


@dataclass(frozen=True)
class Part:
    """A file below the dataset's folder, and what it moved of the position in the source."""

    path: str
    rows: int
    sha256: str
    position: Position
    time: str


@dataclass(frozen=True)
class Manifest:
    """``source`` is the kind that the position is of, ``erased`` the sha256 of who was left out."""

    source: str
    position: Position
    parts: tuple[Part, ...]
    erased: str | None = None

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)


def read(dataset: str, folder: Path = LANDING) -> Manifest | None:
    """What has landed; None when nothing has. Raises LandingError when nobody can tell."""
    path = folder / dataset / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if "part" in content:
            return _of_one_part(path.parent, content)
        parts = tuple(Part(**part) for part in content["parts"])
        return Manifest(content["source"], content["position"], parts, content.get("erased"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise LandingError(
            f"{path} cannot be read ({error!r}): dvc checkout, or delete the folder and ingest anew"
        ) from None


def _of_one_part(folder: Path, content: dict[str, Any]) -> Manifest:
    """A manifest of the time when all rows of one file were one part."""
    position = {content["source"]: content["sha256"]}
    path = folder / content["part"]
    digest = file_digest(path) if path.exists() else ""
    part = Part(content["part"], content["rows"], digest, position, "")
    return Manifest("files", position, (part,), content.get("erased"))


def file_digest(path: Path) -> str:
    """The sha256 of a file of any size."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write(dataset: str, manifest: Manifest, folder: Path = LANDING) -> None:
    path = folder / dataset / MANIFEST
    content = {"dataset": dataset, "rows": manifest.rows, **asdict(manifest)}
    if manifest.erased is None:
        del content["erased"]
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def parts(dataset: str) -> list[Path]:
    """The files of the parts, in the order in which they landed; raise NothingLanded."""
    manifest = read(dataset)
    if manifest is None:
        raise NothingLanded(f"{LANDING / dataset} is empty: run ingest, or dvc pull")
    paths = [LANDING / dataset / part.path for part in manifest.parts]
    if missing := [path for path in paths if not path.exists()]:
        raise LandingError(f"{missing[0]} is missing: dvc checkout {LANDING}, or dvc pull")
    return paths


def link(dataset: str, folder: Path, target: Path) -> None:
    """Let a dataset be landed in another folder as well, by links where that is possible.

    Raises LandingError when a part is not what the manifest says.
    """
    manifest = read(dataset, folder)
    for part in manifest.parts if manifest else ():
        path, copy = folder / dataset / part.path, target / dataset / part.path
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            copy.hardlink_to(path)
        except OSError:
            shutil.copyfile(path, copy)
        if file_digest(copy) != part.sha256:
            raise LandingError(f"{path} is not the file that landed")
    if manifest:
        write(dataset, manifest, target)


def remove_litter(dataset: str) -> None:
    """Remove what the manifest does not name."""
    folder = LANDING / dataset
    manifest = read(dataset)
    named = {folder / part.path for part in manifest.parts} if manifest else set()
    for pattern in ("**/part-*.parquet", "**/*.unfinished"):
        for path in folder.glob(pattern):
            if path not in named:
                path.unlink()
    for day in folder.glob("landed=*"):
        if not any(day.iterdir()):
            day.rmdir()


def recount(dataset: str, erased: str | None) -> None:
    """Let the manifest tell what its parts hold now that some rows were taken out of them."""
    manifest = read(dataset)
    if manifest is None:
        return
    counted = tuple(
        replace(part, rows=parquet.count(path), sha256=file_digest(path))
        for part, path in zip(manifest.parts, parts(dataset), strict=True)
    )
    write(dataset, replace(manifest, parts=counted, erased=erased or manifest.erased))


@contextmanager
def locked() -> Iterator[None]:
    """Keep others from changing what has landed; raise LandingError when somebody is doing so."""
    LOCK.parent.mkdir(parents=True, exist_ok=True)
    with LOCK.open("a") as file:
        end = time.monotonic() + WAIT_SECONDS
        while not _taken(file):
            if time.monotonic() > end:
                raise LandingError(f"another ingest, or an erase, is running: it holds {LOCK}")
            time.sleep(0.05)
        yield


def _taken(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
