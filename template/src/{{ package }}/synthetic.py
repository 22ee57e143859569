"""A synthetic stand-in for a table: its columns and value ranges, none of its rows.

Tests and CI run on it, so that no row of the real table has to be committed. Columns are drawn
independently from their own distributions; the target follows a random score of the features, so
that there is something to learn.
"""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .infer import MOST_LEVELS, logical_type

ROWS = 2_000


def sample(table: pl.DataFrame, target: str, ids: set[str], seed: int = 0) -> pl.DataFrame:
    """A table of ROWS rows with the columns and types of ``table``."""
    rng = np.random.default_rng(seed)
    score = rng.normal(0, 0.5, ROWS)
    columns: dict[str, pl.Series] = {}
    for name in table.columns:
        if name == target:
            continue
        if name in ids:
            columns[name] = _ids(table[name])
            continue
        values, effect = _column(table[name], rng)
        missing = rng.random(ROWS) < table[name].null_count() / table.height
        columns[name] = pl.Series(
            name, [None if gone else value for value, gone in zip(values, missing, strict=True)]
        ).cast(table[name].dtype, strict=False)
        score += rng.normal() * effect
    columns[target] = _target(table[target].drop_nulls(), score)
    return pl.DataFrame([columns[name] for name in table.columns])


def _ids(values: pl.Series) -> pl.Series:
    numbers = range(1, ROWS + 1)
    if values.dtype.is_integer():
        return pl.Series(values.name, numbers, dtype=values.dtype)
    return pl.Series(values.name, [f"{values.name}-{number:06d}" for number in numbers])


def _column(values: pl.Series, rng: np.random.Generator) -> tuple[list[Any], NDArray[np.float64]]:
    """ROWS values drawn from the distribution of a column, and their effect on the score."""
    known = values.drop_nulls()
    kind = logical_type(values)
    place = rng.random(ROWS)
    effect = (place - 0.5) * 2
    if known.len() == 0:
        return [None] * ROWS, np.zeros(ROWS)
    if kind in ("integer", "number"):
        drawn = np.quantile(known.to_numpy(), place)
        return (drawn.round() if kind == "integer" else drawn).tolist(), effect
    if kind in ("date", "timestamp"):
        first, last = known.min(), known.max()
        return [first + (last - first) * float(share) for share in place], np.zeros(ROWS)  # type: ignore[operator]
    counts = known.value_counts(sort=True)
    if kind == "string" and counts.height > MOST_LEVELS:
        return [f"text {number}" for number in (place * 100).astype(int)], np.zeros(ROWS)
    levels = counts[values.name].to_list()
    drawn_levels = rng.choice(len(levels), ROWS, p=(counts["count"] / known.len()).to_numpy())
    return [levels[level] for level in drawn_levels], rng.normal(size=len(levels))[drawn_levels]


def _target(known: pl.Series, score: NDArray[np.float64]) -> pl.Series:
    """The target's own values, given to the rows in the order of their score."""
    place = (score.argsort().argsort() + 0.5) / ROWS
    positions = (place * known.len()).astype(int)
    return known.sort().gather(positions)
