"""Land the source's table: Parquet with a manifest, versioned by DVC."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from . import subjects
from .contract import Column
from .errors import ProjectError
from .model import file_digest
from .settings import LANDING
from .sources import files


class TrackError(ProjectError):
    """DVC does not version what has landed."""


@dataclass(frozen=True)
class Landed:
    dataset: str
    rows: int
    new: bool


@dataclass(frozen=True)
class LeftOut:
    """Those who were erased: their digests, and the column that names them."""

    column: Column
    digests: set[str]


def ingest(dataset: str, source: Path, left_out: LeftOut | None = None) -> Landed:
    """Land the table of one file; a file that has landed before is not read again.

    Raises files.SourceError when the source cannot be read.
    """
    folder = LANDING / dataset
    manifest = folder / "manifest.json"
    table = files.scan(source)
    digest = file_digest(source)
    erased = _erased(left_out.digests if left_out else set())
    if manifest.exists():
        before = json.loads(manifest.read_text(encoding="utf-8"))
        if before["sha256"] == digest and before.get("erased") == erased.get("erased"):
            return Landed(dataset, before["rows"], new=False)

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"part-{digest[:16]}.parquet"
    if left_out:
        table = _others(table, left_out, source)
    rows = _write(table, part, source)
    _write_manifest(
        manifest,
        {"source": source.name, "sha256": digest, "rows": rows, "part": part.name, **erased},
    )
    # Only now is the older part no longer what the manifest speaks of.
    for other in folder.glob("part-*.parquet"):
        if other != part:
            other.unlink()
    return Landed(dataset, rows, new=True)


def _others(table: pl.LazyFrame, left_out: LeftOut, source: Path) -> pl.LazyFrame:
    try:
        return subjects.without(table, left_out.column, left_out.digests)
    except pl.exceptions.ColumnNotFoundError:
        raise files.SourceError(
            f"{source} has no column {left_out.column.name}, so nobody can tell whose rows were "
            "erased and must not land again"
        ) from None
    except pl.exceptions.PolarsError as error:
        raise _unreadable(source, error) from None


def _unreadable(source: Path, error: Exception) -> files.SourceError:
    reason = str(error).strip().splitlines()[0]
    return files.SourceError(f"{source} cannot be read as a table: {reason}")


def _write(table: pl.LazyFrame, part: Path, source: Path) -> int:
    unfinished = part.with_suffix(".unfinished")
    try:
        table.sink_parquet(unfinished, compression="zstd")
        rows: int = pl.scan_parquet(unfinished).select(pl.len()).collect().item()
    except pl.exceptions.PolarsError as error:
        unfinished.unlink(missing_ok=True)
        raise _unreadable(source, error) from None
    if rows == 0:
        unfinished.unlink()
        raise files.SourceError(f"{source} has no rows")
    unfinished.replace(part)
    return rows


def _write_manifest(path: Path, content: dict[str, str | int]) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")
    unfinished.replace(path)


def recount(folder: Path, digests: set[str]) -> None:
    """Let the manifest tell what is left of a landed dataset without those of these digests."""
    manifest = folder / "manifest.json"
    if not manifest.exists():
        return
    content = json.loads(manifest.read_text(encoding="utf-8"))
    rows = pl.scan_parquet(folder / content["part"]).select(pl.len()).collect().item()
    _write_manifest(manifest, content | {"rows": rows} | _erased(digests))


def _erased(digests: set[str]) -> dict[str, str]:
    """The sha256 of the list of those who were erased, when there are any."""
    text = "\n".join(sorted(digests))
    return {"erased": hashlib.sha256(text.encode()).hexdigest()} if digests else {}


def track() -> None:
    """Let DVC version what has landed; data/landing.dvc is what git keeps of it."""
    # Not --quiet: that hides errors as well.
    command = [sys.executable, "-m", "dvc", "add", str(LANDING)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.rpartition("ERROR: ")[2].partition("\n")[0]
        raise TrackError(f"{LANDING} is not versioned, run this again: dvc add: {why}")
