"""Erase persons, or whatever the contract's id names, from all that the project keeps.

Every step may be repeated and leaves each file whole, so a run that was stopped is completed by the
next one. What models have learned stays in them: the answer names those models.
"""

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from . import (
    anchor,
    duck,
    ingest,
    labels,
    landing,
    records,
    retrain,
    scrub,
    versions,
)
from . import contract as contracts
from .contract import Contract
from .errors import ProjectError
from .ids import ids_digest
from .params import Params
from .settings import (
    LANDING,
    MODEL,
    MODEL_NAME,
    PREPARED,
    QUARANTINE,
    RETRAIN,
    VALID,
    Settings,
)
from .sources import Options, SourceError, files
from .store import ModelStore
from .subjects import ErasedList, Subjects, digest
from .validate import as_type

PREDICTIONS = Path("data/predictions.parquet")
# Copies of the data that a command leaves when it is killed.
COPIES = (Path("var/drill"), RETRAIN / retrain.WORK, duck.SPILL)
# Environments, and what is looked through as versions.
NOT_SEARCHED = (".venv", ".nox", ".git", ".dvc", "node_modules")


class EraseError(ProjectError):
    """Nobody can be erased as things are."""


@dataclass(frozen=True)
class Trained:
    """Stored models: those trained with a subject, and those that do not tell.

    ``champion`` is set when the one that serves is among ``models``.
    """

    models: list[str]
    unknown: list[str]
    champion: str | None


@dataclass(frozen=True)
class Erasure:
    """What was removed, by file; ``versions`` counts the tables that were deleted from DVC.

    ``subjects`` are the sha256 of the ids and ``nowhere`` the ids that no file held. ``left`` are
    tables that are not the project's to change and hold a subject, ``in_git`` those of them that
    the history of git has; ``unread`` are files that may hold one, and cannot be looked into, nor
    can ``elsewhere``, remotes of DVC, and ``sources``, which are no files here.
    """

    subjects: list[str]
    nowhere: list[str]
    rows: dict[str, int]
    versions: int
    trained: Trained
    left: list[str]
    in_git: list[str]
    unread: list[str]
    elsewhere: list[str]
    sources: list[str]

    @property
    def todo(self) -> list[str]:
        """What is left for a person to do."""
        champion = self.trained.champion
        return [
            *(f"{path} still holds a row and is not the project's to change" for path in self.left),
            *(f"{path} is in the history of git" for path in self.in_git),
            *(f"{path} cannot be searched: see whether it holds them" for path in self.unread),
            *(f"the remote {name} may hold older versions" for name in self.elsewhere),
            *(f"the source of {name} may still hold them" for name in self.sources),
            *([f"the champion {champion[:12]} was trained with them"] if champion else []),
        ]


def subjects_of(ids: Sequence[str], contract: Contract) -> Subjects:
    """These ids as the contract means them; raise EraseError when it has no id."""
    if contract.id is None:
        raise EraseError(
            f"the contract of {contract.name} has no column with the mlRole id, so no row can be "
            "told to be of a person"
        )
    return Subjects(ids, contract.id)


def erase(
    subjects: Subjects, contract: Contract, sources: Mapping[str, Options], settings: Settings
) -> Erasure:
    """Remove these subjects; raise retrain.Busy while `retrain` runs, LandingError with `ingest`.

    ``sources`` are those of the datasets: their files are looked into and stay as they are.
    """
    with retrain.locked(RETRAIN / retrain.LOCK), landing.locked():
        # First of all: whatever lands from now on leaves them out.
        ErasedList(settings).add(contract.name, subjects)
        for folder in COPIES:
            shutil.rmtree(folder, ignore_errors=True)
        kept = versions.find()
        rows = _rows(subjects, contract, [*scrub.tables([PREPARED, VALID]), *kept.tables()])
        removed = _scrub_anchors(rows, settings)
        removed |= _scrub_tables(subjects, contract, settings)
        removed |= _scrub_logs(subjects, settings)
        gone = _forget_versions(subjects, rows, kept)
    trained = trained_with(subjects, settings)
    digests = [digest(name) for name in subjects.names]
    ModelStore(settings.model_store, MODEL_NAME).audit.append(
        "erase",
        subjects=digests,
        rows=sum(removed.values()),
        versions=gone,
        models=trained.models,
        unknown=trained.unknown,
    )
    left, unread = _left(subjects, sources)
    unread += _unsearched_labels(subjects, settings)
    return Erasure(
        digests,
        subjects.nowhere,
        removed,
        gone,
        trained,
        [str(path) for path in left],
        [str(path) for path in left if _in_git(path)],
        [str(path) for path in unread],
        kept.elsewhere,
        [f"{name} ({one.kind})" for name, one in sources.items() if one.kind != "files"],
    )


def _rows(subjects: Subjects, contract: Contract, tables: Sequence[Path]) -> pl.DataFrame:
    """What the rows of the subjects hold in the model's columns: samples without ids have them."""
    columns = [*contract.inputs, contract.target]
    found = []
    for path in tables:
        values = scrub.ids(path, subjects.column.name)
        if values is None or not (here := subjects.among(values)).any():
            continue
        table = pl.read_parquet(path).filter(here)
        if all(column.name in table.columns for column in columns):
            typed = (as_type(column, table.schema[column.name]) for column in columns)
            found.append(table.select(typed))
    return pl.concat(found).unique() if found else pl.DataFrame()


def _like(path: Path, rows: pl.DataFrame) -> pl.Series | None:
    """Which rows of a sample without ids (n,) are among these; None if it has other columns."""
    names = pl.read_parquet_schema(path)
    if rows.is_empty() or set(names) != set(rows.columns):
        return None
    table = pl.read_parquet(path)
    same = rows.select(pl.col(name).cast(type, strict=False) for name, type in names.items())
    numbered = table.with_row_index("__row__")
    matching = numbered.join(same, on=list(names), how="semi", nulls_equal=True)
    return numbered["__row__"].is_in(matching["__row__"].implode())


def _scrub_anchors(rows: pl.DataFrame, settings: Settings) -> dict[str, int]:
    """The project's anchor, those of stored models, and their copies in MLflow."""
    removed = {}
    copies = sorted(settings.mlflow_artifacts.rglob(anchor.NAME))
    for path in (MODEL / anchor.NAME, *copies):
        if path.exists() and (count := _scrub_anchor(path, rows)):
            removed[str(path)] = count
    store = ModelStore(settings.model_store, MODEL_NAME)
    for model in store.digests():
        stored = store.extra(model, anchor.NAME)
        if stored and (count := _scrub_anchor(stored, rows)):
            store.replace(model, anchor.NAME, stored)
            removed[f"{store.place}/{model}/{anchor.NAME}"] = count
    return removed


def _scrub_anchor(path: Path, rows: pl.DataFrame) -> int:
    gone = _like(path, rows)
    if gone is None or not gone.any():
        return 0
    scrub.keep_rows(path, ~gone)
    return int(gone.sum())


def _scrub_tables(subjects: Subjects, contract: Contract, settings: Settings) -> dict[str, int]:
    folders = [LANDING, VALID, QUARANTINE, PREPARED]
    stores = [settings.model_store, settings.mlflow_artifacts, settings.prediction_store]
    places = [Path("data"), MODEL, settings.labels, *stores]
    scrub.remove_unfinished(place for place in places if isinstance(place, Path))
    removed = {}
    for path in scrub.tables([*folders, PREDICTIONS, settings.labels]):
        if count := scrub.scrub_table(path, subjects):
            removed[str(path)] = count
    if LANDING.is_dir():
        digests = ErasedList(settings).digests(contract.name)
        for folder in LANDING.iterdir():
            landing.recount(folder.name, ingest.LeftOut(subjects.column, digests).digest)
        ingest.track()
    return removed


def _scrub_logs(subjects: Subjects, settings: Settings) -> dict[str, int]:
    """Count by day: segments have no names that mean anything."""
    store = settings.prediction_store
    removed: dict[str, int] = {}
    for folder, _ in records.days(store):
        for segment in list(records.segments(store, folder)):
            if count := scrub.scrub_log(store, segment.name, subjects):
                day = f"{store}/{folder}"
                removed[day] = removed.get(day, 0) + count
    return removed


def _forget_versions(subjects: Subjects, rows: pl.DataFrame, kept: versions.Versions) -> int:
    def is_sample(path: Path) -> bool:
        like = _like(path, rows)
        return like is not None and bool(like.any())

    # The rows are known from the tables with ids, so these go last.
    return kept.remove(is_sample) + kept.remove(lambda path: scrub.holds(path, subjects))


def trained_with(subjects: Subjects, settings: Settings) -> Trained:
    """Which stored models had a subject among their training rows."""
    store = ModelStore(settings.model_store, MODEL_NAME)
    hashes = ids_digest(subjects.names)
    models, unknown = [], []
    for model in store.digests():
        told = store.extra(model, "trained_on.npy")
        # Empty where it was trained under a contract without an id.
        trained_on = np.load(told) if told else np.array([])
        if not trained_on.size:
            unknown.append(model)
        elif np.isin(hashes, trained_on).any():
            models.append(model)
    champion = store.champion()
    serves = champion.digest if champion and champion.digest in models else None
    return Trained(models, unknown, serves)


def _left(subjects: Subjects, sources: Mapping[str, Options]) -> tuple[list[Path], list[Path]]:
    """Tables that were not touched and hold a subject, as source and copies do, or may hold one."""
    inside = [path for path in Path().iterdir() if path.name not in NOT_SEARCHED]
    given = _files(sources)
    left: list[Path] = []
    unread = [path for path in given if path.suffix not in scrub.TABLES]
    for path in dict.fromkeys([*scrub.tables(inside), *scrub.tables(given)]):
        try:
            if scrub.holds(path, subjects):
                left.append(path)
        except scrub.ScrubError:
            unread.append(path)
    return left, unread


def _files(sources: Mapping[str, Options]) -> list[Path]:
    """The files that datasets are read from, where they are there."""
    found: list[Path] = []
    for source in sources.values():
        if isinstance(source, files.Options):
            with suppress(SourceError):
                found += files.find(source.path).values()
    return found


def _unsearched_labels(subjects: Subjects, settings: Settings) -> list[Path]:
    """Files of labels that are no tables, or have no key."""
    keys = (subjects.column.name, labels.REQUEST_ID)
    found = [path for path in sorted(settings.labels.rglob("*")) if path.is_file()]
    return [
        path
        for path in found
        if path.suffix not in scrub.TABLES or all(scrub.ids(path, key) is None for key in keys)
    ]


def _in_git(path: Path) -> bool:
    command = ["git", "ls-files", "--error-unmatch", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def left_out(dataset: str, project: Params, settings: Settings) -> ingest.LeftOut | None:
    """Whom the next landing of a dataset leaves out; None when nobody was erased."""
    main = project.data.dataset
    digests = ErasedList(settings).digests(main)
    column = contracts.load(project.contract_path).id if digests else None
    return ingest.LeftOut(column, digests, needed=dataset == main) if column else None


def render(done: Erasure) -> str:
    """What was removed, as text for people."""
    lines = [f"{count:,} rows removed from {path}" for path, count in done.rows.items()]
    lines.append(f"{sum(done.rows.values()):,} rows and {done.versions:,} versions in DVC removed")
    if done.nowhere:
        lines.append(f"{len(done.nowhere):,} of {len(done.subjects):,} ids were in no file")
    lines += [f"trained with: model {digest[:12]}" for digest in done.trained.models]
    lines += [f"not known whether trained with: {digest[:12]}" for digest in done.trained.unknown]
    if done.rows or done.versions:
        lines.append("Next: dvc repro, register, commit, dvc push")
    return "\n".join(lines)
