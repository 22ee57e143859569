"""Tables in files of this machine: a file or a glob."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import polars as pl

from . import Batch, Position, Reading, SourceError, formats
from . import Options as Base

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
    """The files that are new, by name; all files when one that was read has changed or is gone.

    The position has the sha256 of each file that was read.
    """
    found = find(options.path)
    digests = {name: _digest(path) for name, path in found.items()}
    known = after or {}
    anew = any(digests.get(name) != digest for name, digest in known.items())
    documents = any(formats.is_json(path) for path in found.values())
    return Reading(_batches(options, found, digests, {} if anew else known), anew, documents)


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


def _batches(
    options: Options, found: dict[str, Path], digests: dict[str, str], known: Position
) -> Iterator[Batch]:
    for name, path in found.items():
        if name in known:
            continue
        for rows in formats.read(path, options.separator, options.encoding):
            yield Batch(rows, None)
        if _digest(path) != digests[name]:
            raise SourceError(f"{path} has changed while it was read: try again")
        known = known | {name: digests[name]}
        yield Batch(pl.DataFrame(), known)


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
