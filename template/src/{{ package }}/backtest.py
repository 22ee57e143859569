"""How a model ages: a backtest of old models against fresh ones.

The rows are cut in the order of time. Models of the chosen kind are trained on windows of equally
many rows and judged on every later window, beside a fresh model that is trained on the rows right
before it. The gap between the two is what age costs: an old model's own loss may rise or fall with
the times without being to blame.
"""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .columns import Columns, matrix
from .contract import Contract
from .fit import (
    Data,
    coded,
    fit_categories,
    fit_lightgbm,
    fit_linear,
    named_features,
    predict_lightgbm,
    predict_linear,
)
from .metrics import LOSS_NAME, Array, Bootstrap, number, per_row_loss
from .model import ModelInfo, category_codes
from .params import Params
from .settings import MODEL
from .splits import NAMES, Split, as_split, read_table, spread
from .staleness import Gap, Staleness

# Enough rows for a curve; more would only take longer.
ROWS = 24_000
# A model is trained on TRAINED windows; WINDOWS - TRAINED of them are left to judge by.
WINDOWS = 12
TRAINED = 4
LEAST_ROWS = 50  # in a window
DAY = np.timedelta64(1, "D")

Predict = Callable[[Columns], Array]


def run(params: Params, contract: Contract) -> Staleness:
    """Backtest on the prepared rows, and write what was found into the model folder."""
    found = backtest(params, contract)
    found.write(MODEL)
    return found


def backtest(params: Params, contract: Contract) -> Staleness:
    """What age costs a model of the kind in the model folder, on at most ROWS prepared rows."""
    if contract.time is None:
        return _unknown("the contract names no time column")
    info = ModelInfo.read(MODEL / "model.json")
    table = pl.concat([read_table(name) for name in NAMES])
    rows = as_split("backtest", table[spread(table.height, ROWS)], contract)
    target, times = rows.target(info.classes), rows.columns[contract.time.name]
    windows = cut(times)
    classes = 0
    if info.classes:
        target, windows, classes = learnable(target, windows)
        if classes < 2:
            return _unknown("the classes are too rare to train on a part of the rows")
    if len(windows) < TRAINED + 3 or min(map(len, windows)) < LEAST_ROWS:
        return _unknown("the rows are too few, or of too few different times")
    losses: dict[tuple[int, int], Array] = {}
    for end in range(TRAINED, len(windows)):
        trained_on = np.concatenate(windows[end - TRAINED : end])
        predict = fit(params, contract, info.kind, rows, trained_on, target, classes)
        for judged in range(end, len(windows)):
            chosen = windows[judged]
            output = predict(_at(rows, chosen))
            losses[end, judged] = per_row_loss(params.task, target[chosen], output)
    return conclude(params, losses, windows, times)


def _unknown(why: str) -> Staleness:
    return Staleness(None, f"How fast a model ages is unknown: {why}", [])


def cut(times: NDArray[np.datetime64]) -> list[NDArray[np.intp]]:
    """The places of sorted times (n,) in about WINDOWS parts; equal times stay together."""
    n = len(times)
    firsts = np.searchsorted(times, times[[n * part // WINDOWS for part in range(WINDOWS)]])
    return np.split(np.arange(n), np.unique(firsts)[1:])


def learnable(
    target: Array, windows: list[NDArray[np.intp]]
) -> tuple[Array, list[NDArray[np.intp]], int]:
    """Class indices (n,), windows of the classes alone that each model is trained on, their number.

    A class that is new is not what this asks about.
    """
    parts = [np.concatenate(windows[end - TRAINED : end]) for end in range(TRAINED, len(windows))]
    known = np.array(sorted(set(target).intersection(*(target[part] for part in parts))))
    kept = [window[np.isin(target[window], known)] for window in windows]
    return np.searchsorted(known, target).astype(np.float64), kept, len(known)


def fit(
    params: Params,
    contract: Contract,
    kind: str,
    rows: Split,
    chosen: NDArray[np.intp],
    target: Array,
    classes: int,
) -> Predict:
    """Train on the chosen rows as `train` does, with the categories that were known by then."""
    columns = _at(rows, chosen)
    categories = fit_categories(contract, columns, params.model.max_categories)
    codes = category_codes(categories)
    named = named_features(columns, codes)
    levels = coded(list(named), categories)
    data = Data(matrix(named), target[chosen])
    if kind == "linear":
        linear = fit_linear(params.task, data.features.astype(np.float64), data.target, levels)
        return lambda columns: predict_linear(
            linear, matrix(named_features(columns, codes)).astype(np.float64)
        )
    rng = np.random.default_rng(params.seed)
    booster = fit_lightgbm(params, data, classes, list(levels), rng)
    return lambda columns: predict_lightgbm(booster, matrix(named_features(columns, codes)))


def _at(rows: Split, chosen: NDArray[np.intp]) -> Columns:
    return {name: values[chosen] for name, values in rows.columns.items()}


def conclude(
    params: Params,
    losses: dict[tuple[int, int], Array],
    windows: list[NDArray[np.intp]],
    times: NDArray[np.datetime64],
) -> Staleness:
    """The gap by age, and the youngest age at which too much is lost.

    ``losses`` are those of the model that was trained up to one window, on a later one.
    """
    gates = params.gates
    bootstrap = Bootstrap(gates.confidence, gates.resamples, params.seed)
    name = LOSS_NAME[params.task]
    gaps: list[Gap] = []
    lost: list[tuple[float, str]] = []
    # Each age is judged on two windows at least: one may be an odd time.
    for lag in range(1, len(windows) - TRAINED - 1):
        judged = range(TRAINED + lag, len(windows))
        fresh = np.concatenate([losses[window, window] for window in judged])
        old = np.concatenate([losses[window - lag, window] for window in judged])
        ages = [times[windows[window]] - times[windows[window - lag][0]] for window in judged]
        age = float(f"{(np.concatenate(ages) / DAY).mean():.4g}")
        cost, mean = bootstrap.mean(old - fresh), float(fresh.mean())
        gaps.append(Gap(age, cost.value, cost.low, cost.high))
        if cost.low > 0 and cost.value > gates.staleness_tolerance * mean:
            basis = (
                f"A model {age:.3g} days old has a {name} higher by {cost} than a fresh one, "
                f"more than {gates.staleness_tolerance:.1%} of the {number(mean)} of that one"
            )
            lost.append((age, basis))
    if lost:
        return Staleness(*lost[0], gaps)
    oldest = gaps[-1].age_days
    basis = (
        f"Within the {oldest:.3g} days that the backtest covers, no model lost more than "
        f"{gates.staleness_tolerance:.1%} of a fresh one's {name} beyond chance"
    )
    return Staleness(oldest, basis, gaps)
