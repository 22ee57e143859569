"""Tables in files of this machine: a file or a glob."""

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal
from uuid import uuid4

import polars as pl

from . import Options as Base
from . import Position, Reading, SourceError, formats

PATTERN = re.compile(r"[*?\[]")


class Options(Base):
    """A ``path`` may be a glob, as in ``data/in/**/*.csv``; all its files are one table.

    ``separator`` and ``encoding`` are those of a CSV.
    """

    kind: Literal["files"] = "files"
    path: str
    separator: str | None = None
    encoding: formats.Encoding = "utf-8"


def read(options: Options, after: Position | None) -> Reading:
    """The files that are new, each known by its sha256 (see formats.reading)."""
    found = find(options.path)
    digests = {name: _digest(path) for name, path in found.items()}

    def rows(name: str) -> Iterator[pl.DataFrame]:
        yield from formats.read(found[name], options.separator, options.encoding)
        if _digest(found[name]) != digests[name]:
            raise SourceError(f"{found[name]} has changed while it was read: try again")

    return formats.reading(digests, after, rows)


def put(options: Options, file: Path, name: str) -> None:
    """Put a Parquet file in the place of the one of this name; who reads sees one of the two.

    Its folder must be there: one that is made where a file server is not mounted helps nobody.
    """
    target = Path(formats.target(options.path, name))
    unfinished = target.with_name(f"{target.name}.{uuid4().hex}.unfinished")
    try:
        shutil.copyfile(file, unfinished)
        with unfinished.open("rb") as copy:
            os.fsync(copy.fileno())
        unfinished.replace(target)
    except OSError as error:
        raise SourceError(f"{target} cannot be written: {error.strerror}") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def find(pattern: str) -> dict[str, Path]:
    """The files of a path or a glob, by their names below its folder."""
    path = Path(pattern)
    if path.is_file():
        return {path.name: path}
    parts = path.parts
    first = next((at for at, part in enumerate(parts) if PATTERN.search(part)), None)
    if path.is_dir():
        raise SourceError(f"{path} is a folder: name its files, as in {path / '*.csv'}")
    if first is None:
        raise SourceError(f"{path} does not exist: correct the path in params.yaml, or DATA_SOURCE")
    folder = Path(*parts[:first])
    files = sorted(path for path in folder.glob("/".join(parts[first:])) if path.is_file())
    if not files:
        raise SourceError(f"no file is named like {pattern}")
    return {path.relative_to(folder).as_posix(): path for path in files}


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from None


def scan(path: Path) -> pl.LazyFrame:
    """One table, not yet read. A CSV arrives as text: the contract says what its values are."""
    if not path.is_file():
        raise SourceError(f"{path} does not exist")
    if path.suffix == ".parquet":
        return pl.scan_parquet(path)
    if path.suffix in formats.SEPARATORS:
        return pl.scan_csv(path, separator=formats.SEPARATORS[path.suffix], infer_schema=False)
    raise SourceError(f"{path} is neither .csv, .tsv nor .parquet")
