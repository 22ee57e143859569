"""Land what is new in a source: Parquet with a manifest, versioned by DVC."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from . import arrival, landing, parquet, parts, sources, subjects
from .contract import Column, Contract
from .errors import ProjectError
from .landing import LandingError, Manifest
from .settings import LANDING
from .sources import Batch, Options, Position, Reading, SourceError
from .sources.files import Options as Files

TELL_SECONDS = 5.0


class TrackError(ProjectError):
    """DVC does not version what has landed."""


@dataclass(frozen=True)
class Landed:
    """All rows that have landed, those of this run, and columns that nobody knew before.

    ``anew`` says that the rows of this run stand for what had landed.
    """

    dataset: str
    rows: int
    added: int
    anew: bool = False
    unexpected: tuple[str, ...] = ()

    @property
    def new(self) -> bool:
        return self.anew or self.added > 0


@dataclass(frozen=True)
class LeftOut:
    """Those who were erased: their digests, and the column that names them.

    A dataset that lacks the column cannot land where it is ``needed``.
    """

    column: Column
    digests: set[str]
    needed: bool = True

    @property
    def digest(self) -> str:
        """The sha256 of the list."""
        return hashlib.sha256("\n".join(sorted(self.digests)).encode()).hexdigest()


def ingest(
    dataset: str,
    source: Options | Path,
    left_out: LeftOut | None = None,
    contract: Contract | None = None,
    *,
    anew: bool = False,
    tell: Callable[[int], None] = lambda rows: None,
) -> Landed:
    """Land what the source has that is new; a path stands for the files there.

    ``anew`` reads everything again, in the place of what had landed. ``tell`` hears of the rows of
    this run from time to time. Raises SourceError when the source cannot be read or its columns
    are not the contract's, and LandingError when the rows cannot be written. What the manifest
    named before, and each part that was complete, stays.
    """
    options = source if isinstance(source, Options) else Files(path=str(source))
    module = sources.kind(options.kind)
    with landing.locked():
        landing.remove_litter(dataset)
        try:
            before = _without_erased(dataset, left_out)
            goes_on = before is not None and not anew and before.source == options.kind
            reading = module.read(options, before.position if before and goes_on else None)
            arriving = _Arriving(
                dataset, reading, left_out, contract, _types(dataset, before), tell
            )
            return _land(arriving, options.kind, before, reading.anew or not goes_on)
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else error
            raise LandingError(
                f"{LANDING / dataset} cannot be written: {why}; the parts that were complete stay, "
                "and the next ingest goes on behind them"
            ) from None
        finally:
            landing.remove_litter(dataset)


def _without_erased(dataset: str, left_out: LeftOut | None) -> Manifest | None:
    """What has landed, without those who were erased since, as on another machine."""
    before = landing.read(dataset)
    if before is None or left_out is None or before.erased == left_out.digest:
        return before
    for path in landing.parts(dataset):
        schema = pl.read_parquet_schema(path)
        if left_out.column.name in schema:
            with parquet.Writer(path, schema) as kept:
                for rows in parquet.read([path]):
                    kept.write(subjects.without(rows, left_out.column, left_out.digests))
    landing.recount(dataset, left_out.digest)
    return landing.read(dataset)


def _types(dataset: str, before: Manifest | None) -> dict[str, pl.DataType]:
    """The columns that have landed."""
    return dict(pl.read_parquet_schema(landing.parts(dataset)[-1])) if before else {}


class _Arriving:
    """The batches of a reading, as they may land."""

    def __init__(
        self,
        dataset: str,
        reading: Reading,
        left_out: LeftOut | None,
        contract: Contract | None,
        types: dict[str, pl.DataType],
        tell: Callable[[int], None],
    ) -> None:
        self.dataset = dataset
        self.reading = reading
        self.left_out = left_out
        self.unexpected: dict[str, None] = {}
        self._contract = contract
        self._types = types
        self._tell = tell

    def __iter__(self) -> Iterator[Batch]:
        count, told = 0, time.monotonic()
        for batch in self.reading.batches:
            rows = self._accepted(batch.rows) if batch.rows.height else batch.rows
            yield replace(batch, rows=rows)
            count += rows.height
            if time.monotonic() > told + TELL_SECONDS:
                self._tell(count)
                told = time.monotonic()

    def _accepted(self, rows: pl.DataFrame) -> pl.DataFrame:
        rows = arrival.tidied(rows, self._contract, self.reading.documents)
        if self._contract:
            self.unexpected |= dict.fromkeys(arrival.judge(rows, self._contract, self._types))
        if self.left_out is None:
            return rows
        if self.left_out.column.name in rows.columns:
            return subjects.without(rows, self.left_out.column, self.left_out.digests)
        if self.left_out.needed:
            raise SourceError(
                f"the source of {self.dataset} has no column {self.left_out.column.name}, so "
                "nobody can tell whose rows were erased and must not land again"
            )
        return rows


def _land(arriving: _Arriving, kind: str, before: Manifest | None, alone: bool) -> Landed:
    """Write what arrives behind what has landed, or as all that has landed: ``alone``."""
    dataset, left_out = arriving.dataset, arriving.left_out
    first = before if before and not alone else Manifest(kind, {}, ())
    now = replace(first, erased=left_out.digest if left_out else first.erased)
    # What stands for something else does so as a whole.
    at_once = arriving.reading.anew or (alone and before is not None)
    with closing(parts.cut(arriving, LANDING / dataset, len(now.parts))) as groups:
        for complete, position in groups:
            new = (replace(part, position=_moved(now.position, position)) for part in complete)
            now = replace(now, position=position, parts=(*now.parts, *new))
            if complete and not at_once:
                landing.write(dataset, now)
    if not now.rows and (alone or not before):
        stays = "; what had landed stays" if before else ""
        raise SourceError(f"the source of {dataset} has no rows{stays}")
    if before and arriving.reading.anew and _digests(now) == _digests(before):
        now, first, alone = replace(before, position=now.position), before, False
    if now != before:
        landing.write(dataset, now)
    anew = alone and before is not None
    return Landed(dataset, now.rows, now.rows - first.rows, anew, tuple(arriving.unexpected))


def _moved(before: Position, after: Position) -> Position:
    """What a part keeps of the position behind it, so that the manifest grows by little."""
    return {key: at for key, at in after.items() if key != sources.SEEN and before.get(key) != at}


def _digests(manifest: Manifest) -> list[str | None]:
    return [manifest.erased, *(part.sha256 for part in manifest.parts)]


def track() -> None:
    """Let DVC version what has landed; data/landing.dvc is what git keeps of it."""
    # Not --quiet: that hides errors as well.
    command = [sys.executable, "-m", "dvc", "add", str(LANDING)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        why = done.stderr.rpartition("ERROR: ")[2].partition("\n")[0]
        raise TrackError(f"{LANDING} is not versioned, run this again: dvc add: {why}")
