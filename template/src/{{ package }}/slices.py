"""Parts of the test rows, so that a good average cannot hide where a model is bad."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import TIMES, Columns
from .contract import Column, Contract
from .metrics import Array, Bootstrap, Estimate, skill
from .params import Gates, ParamsError

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Slice:
    """Rows that share a level of a column. ``skill`` against the constant is None for few rows."""

    column: str
    level: str
    rows: int
    skill: Estimate | None
    passed: bool

    @property
    def name(self) -> str:
        return f"{self.column} = {self.level}"


def judge_slices(
    names: list[str],
    contract: Contract,
    columns: Columns,
    losses: dict[str, Array],
    gates: Gates,
    bootstrap: Bootstrap,
) -> list[Slice]:
    """One Slice per level of each named input. A slice fails when its skill is surely too low."""
    known = {column.name: column for column in contract.inputs}
    if unknown := [name for name in names if name not in known]:
        raise ParamsError(
            f"params.yaml: slices: no input column is called {', '.join(unknown)}; "
            f"there are {', '.join(known)}"
        )
    slices = []
    for name in names:
        for level, rows in levels(known[name], columns[name]):
            estimate = None
            count = int(rows.sum())
            if count >= gates.slice_min_rows:
                statistic = skill(losses["model"][rows], losses["constant"][rows])
                estimate = bootstrap.estimate(count, {"skill": statistic})["skill"]
            passed = estimate is None or estimate.high >= gates.slice_min_skill
            slices.append(Slice(name, level, count, estimate, passed))
    return slices


def levels(column: Column, values: NDArray[Any]) -> Iterator[tuple[str, Mask]]:
    """The levels of a column that occur, with their rows: values, or thirds of numbers and times.

    Missing values are a level too.
    """
    if column.type == "string":
        missing = np.array([value is None for value in values], dtype=bool)
        for level in sorted(set(values[~missing])):
            yield level, values == level
    elif column.type == "boolean":
        missing = np.isnan(values)
        for level, flag in (("false", 0.0), ("true", 1.0)):
            if (values == flag).any():
                yield level, values == flag
    else:
        missing = np.isnat(values) if column.type in TIMES else np.isnan(values)
        yield from _thirds(values, missing, _day if column.type in TIMES else _number)
    if missing.any():
        yield "missing", missing


def _thirds(
    values: NDArray[Any], missing: Mask, label: Callable[[Any], str]
) -> Iterator[tuple[str, Mask]]:
    """Low, middle and high values; fewer parts where many rows share a value."""
    present = np.sort(values[~missing])
    if len(present) == 0:
        return
    cuts = np.unique(present[[len(present) // 3, 2 * len(present) // 3]])
    cuts = cuts[cuts > present[0]]
    if len(cuts) == 0:
        yield f"from {label(present[0])}", ~missing
        return
    yield f"under {label(cuts[0])}", values < cuts[0]
    for low, high in pairwise(cuts):
        yield f"{label(low)} to under {label(high)}", (values >= low) & (values < high)
    yield f"from {label(cuts[-1])}", values >= cuts[-1]


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
