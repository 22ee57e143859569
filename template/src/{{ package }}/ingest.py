"""Land the source's table: Parquet with a manifest, versioned by DVC."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from .model import file_digest
from .settings import LANDING
from .sources import files


@dataclass(frozen=True)
class Landed:
    dataset: str
    rows: int
    new: bool


def ingest(dataset: str, source: Path) -> Landed:
    """Land the table of one file; a file that has landed before is not read again.

    Raises files.SourceError when the source cannot be read.
    """
    folder = LANDING / dataset
    manifest = folder / "manifest.json"
    table = files.scan(source)
    digest = file_digest(source)
    if manifest.exists():
        before = json.loads(manifest.read_text(encoding="utf-8"))
        if before["sha256"] == digest:
            return Landed(dataset, before["rows"], new=False)

    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"part-{digest[:16]}.parquet"
    rows = _write(table, part, source)
    _write_manifest(
        manifest,
        {"source": source.name, "sha256": digest, "rows": rows, "part": part.name},
    )
    # Only now is the older part no longer what the manifest speaks of.
    for other in folder.glob("part-*.parquet"):
        if other != part:
            other.unlink()
    return Landed(dataset, rows, new=True)


def _write(table: pl.LazyFrame, part: Path, source: Path) -> int:
    unfinished = part.with_suffix(".unfinished")
    try:
        table.sink_parquet(unfinished, compression="zstd")
        rows: int = pl.scan_parquet(unfinished).select(pl.len()).collect().item()
    except pl.exceptions.PolarsError as error:
        unfinished.unlink(missing_ok=True)
        reason = str(error).strip().splitlines()[0]
        raise files.SourceError(f"{source} cannot be read as a table: {reason}") from None
    if rows == 0:
        unfinished.unlink()
        raise files.SourceError(f"{source} has no rows")
    unfinished.replace(part)
    return rows


def _write_manifest(path: Path, content: dict[str, str | int]) -> None:
    unfinished = path.with_suffix(".unfinished")
    unfinished.write_text(json.dumps(content, indent=2), encoding="utf-8")
    unfinished.replace(path)


def track() -> None:
    """Let DVC version what has landed; data/landing.dvc is what git keeps of it."""
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", str(LANDING)], check=True)
