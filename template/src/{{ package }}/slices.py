"""Parts of the test rows, so that a good average cannot hide where a model is bad."""

from collections.abc import Callable, Iterator, Mapping
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
    cuts: Mapping[str, Array] | None = None,
) -> list[Slice]:
    """One Slice per level of each named input. A slice fails when its skill is surely too low.

    ``cuts`` are where columns of numbers are cut; those without are cut into thirds.
    """
    known = {column.name: column for column in contract.inputs}
    if unknown := [name for name in names if name not in known]:
        raise ParamsError(
            f"params.yaml: slices: no input column is called {', '.join(unknown)}; "
            f"there are {', '.join(known)}"
        )
    slices = []
    for name in names:
        for level, rows in levels(known[name], columns[name], (cuts or {}).get(name)):
            estimate = None
            count = int(rows.sum())
            if count >= gates.slice_min_rows:
                statistic = skill(losses["model"][rows], losses["constant"][rows])
                estimate = bootstrap.estimate(count, {"skill": statistic})["skill"]
            passed = estimate is None or estimate.high >= gates.slice_min_skill
            slices.append(Slice(name, level, count, estimate, passed))
    return slices


def levels(
    column: Column, values: NDArray[Any], cuts: Array | None = None
) -> Iterator[tuple[str, Mask]]:
    """The levels of a column that occur, with their rows: values, or parts of numbers and times.

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
        label = _day if column.type in TIMES else _number
        if not missing.all():
            cuts = _thirds(values[~missing]) if cuts is None else np.unique(cuts)
            yield from _parts(values, cuts, label)
    if missing.any():
        yield "missing", missing


def _thirds(present: NDArray[Any]) -> NDArray[Any]:
    """Where low, middle and high values part; fewer places where many rows share a value."""
    present = np.sort(present)
    return np.unique(present[[0, len(present) // 3, 2 * len(present) // 3]])[1:]


def _parts(
    values: NDArray[Any], cuts: NDArray[Any], label: Callable[[Any], str]
) -> Iterator[tuple[str, Mask]]:
    if len(cuts) == 0:
        least = values[values == values].min()
        yield f"from {label(least)}", values >= least
        return
    yield f"under {label(cuts[0])}", values < cuts[0]
    for low, high in pairwise(cuts):
        yield f"{label(low)} to under {label(high)}", (values >= low) & (values < high)
    yield f"from {label(cuts[-1])}", values >= cuts[-1]


def _day(time: np.datetime64) -> str:
    return str(time.astype("datetime64[D]"))


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 else f"{value:,.0f}"
