"""Quality: what labelled predictions say of the model, against what its evaluation promised."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from .. import anchor
from ..charter import Charter
from ..columns import TIMES
from ..labels import Key, LabelContract, Labels
from ..metrics import (
    Array,
    Bootstrap,
    Estimate,
    Statistic,
    mean,
    per_row_loss,
    reported,
    value_of,
)
from ..model import Label, Model
from ..params import Params
from ..reference import Numbers, Reference
from ..slices import Slice, judge_slices
from .window import Row, Window, columns, logged_inputs

BINS = 10
QUANTILES = (0.5, 0.9)
FEWEST_A_DAY = 20

# No reported metric has these names.
LOSS, COST = "", " "


@dataclass(frozen=True)
class Labelled:
    """Predictions whose label is known: rows, and their target (n,) as losses take it."""

    rows: list[Row]
    target: Array

    @property
    def output(self) -> Array:
        return np.array([row.output for row in self.rows])


@dataclass(frozen=True)
class Arrival:
    """How labels come in. ``due`` predictions are old enough to have one, ``overdue`` lack it.

    ``delays`` are quantiles, in seconds, of the time from a prediction to its label.
    """

    matched: int
    newest: datetime | None
    expected_seconds: float
    delays: dict[float, float]
    due: int
    overdue: int
    problems: list[str]

    @property
    def overdue_ratio(self) -> float | None:
        return self.overdue / self.due if self.due else None


@dataclass(frozen=True)
class Quality:
    """Estimates on n labelled rows. ``promised`` is what the evaluation found on its test rows.

    ``lost`` says that the loss is surely higher: its interval begins where the promised one ends.
    """

    rows: int
    loss: Estimate
    promised_loss: Estimate
    metrics: dict[str, Estimate]
    promised_metrics: dict[str, Estimate]
    lost: bool
    slices: list[Slice]
    calibration_error: float | None
    cost: Estimate
    promised_cost: float | None
    days: dict[str, Estimate]

    @property
    def lost_slices(self) -> list[Slice]:
        return [part for part in self.slices if not part.passed]


def join(window: Window, labels: Labels, contract: LabelContract, model: Model) -> Labelled:
    """Predictions with their labels. Of several for one key, the newest prediction counts."""
    classes = {label: index for index, label in enumerate(model.info.classes)}
    found: dict[Key, tuple[Row, float]] = {}
    for row in (*window.earlier, *window.rows):
        key = row.key(contract.by_request)
        label = labels.known.get(key)
        value = None if label is None else target_of(label.value, classes)
        if value is not None:
            found[key] = row, value
    rows = [row for row, _ in found.values()]
    return Labelled(rows, np.array([value for _, value in found.values()]))


def target_of(value: Any, classes: dict[Label, int]) -> float | None:
    """The index of a class, or the value; None for what no prediction can be compared with."""
    if classes:
        return float(classes[value]) if value in classes else None
    return None if value is None or not np.isfinite(value) else float(value)


def arrival(
    window: Window, labels: Labels, contract: LabelContract, labelled: Labelled, model: Model
) -> Arrival:
    rows = {row.key(contract.by_request): row for row in (*window.earlier, *window.rows)}
    known = labels.known.keys() & rows.keys()
    delays = [max(0.0, (labels.known[key].time - rows[key].time).total_seconds()) for key in known]
    due = {key for key, row in rows.items() if row.time <= window.until - contract.lateness}
    problems = list(labels.problems)
    useless = sum(labels.known[key].value is not None for key in known) - len(labelled.rows)
    if useless:
        what = f"classes that the model does not know ({model.info.classes})"
        problems.append(
            f"{useless:,} labels are {what if model.info.classes else 'no finite numbers'}"
        )
    return Arrival(
        matched=len(labelled.rows),
        newest=labels.newest,
        expected_seconds=contract.lateness.total_seconds(),
        delays={part: float(np.quantile(delays, part)) for part in QUANTILES} if delays else {},
        due=len(due),
        overdue=len(due - known),
        problems=problems,
    )


def judge(
    labelled: Labelled, model: Model, reference: Reference | None, params: Params, charter: Charter
) -> Quality:
    """Judge a model by n labelled predictions, n > 0."""
    info, gates = model.info, params.gates
    target, output = labelled.target, labelled.output
    losses = {"model": per_row_loss(info.task, target, output)}
    bootstrap = Bootstrap(gates.confidence, gates.resamples, params.seed)
    estimates = bootstrap.estimate(
        len(target),
        {
            LOSS: mean(losses["model"]),
            COST: _cost(charter, model, target, output),
            **reported(info.task, target, output, info.threshold),
        },
    )
    loss, cost = estimates.pop(LOSS), estimates.pop(COST)
    promised = json.loads((model.folder / "verdict.json").read_text(encoding="utf-8"))
    promised_loss = Estimate(**promised["loss"])
    slices: list[Slice] = []
    if reference is not None:
        constant = np.array(reference.constant)
        always = np.broadcast_to(constant if len(constant) > 1 else constant[0], output.shape)
        losses["constant"] = per_row_loss(info.task, target, always)
        slices = _slices(labelled, losses, model, reference, params, bootstrap)
    return Quality(
        rows=len(target),
        loss=loss,
        promised_loss=promised_loss,
        metrics=estimates,
        promised_metrics={name: Estimate(**one) for name, one in promised["metrics"].items()},
        lost=loss.low > promised_loss.high,
        slices=slices,
        calibration_error=None if info.task == "regression" else calibration_error(target, output),
        cost=cost,
        promised_cost=_promised_cost(charter, model),
        days=_days(labelled.rows, losses["model"], bootstrap),
    )


def _cost(charter: Charter, model: Model, target: Array, output: Array) -> Statistic:
    info = model.info
    return mean(1000 * charter.costs.per_row(info.task, target, output, info.threshold))


def _promised_cost(charter: Charter, model: Model) -> float | None:
    """The cost of 1,000 predictions on the test rows that are kept with the model, if any are."""
    rows = anchor.read(model.folder, model.contract)
    if rows is None:
        return None
    target = rows.target(model.info.classes)
    return value_of(_cost(charter, model, target, model.predict(rows.columns)), len(target))


def _slices(
    labelled: Labelled,
    losses: dict[str, Array],
    model: Model,
    reference: Reference,
    params: Params,
    bootstrap: Bootstrap,
) -> list[Slice]:
    """Slices of logged inputs, numbers cut as at training: a slice means the same in every run."""
    logged = {column.name: column for column in logged_inputs(model)}
    names = [name for name in params.slices if name in logged and logged[name].type not in TIMES]
    cuts = {
        name: np.quantile(one.sketch, [1 / 3, 2 / 3])
        for name, one in reference.features.items()
        if isinstance(one, Numbers) and one.sketch
    }
    inputs = columns(labelled.rows, model)
    return judge_slices(names, model.contract, inputs, losses, params.gates, bootstrap, cuts)


def calibration_error(target: Array, output: Array) -> float:
    """The mean distance of probability and frequency in ten bins of equal size (Guo et al. 2017).

    Of the positive class where there are two, of the likeliest one where there are more.
    """
    if output.shape[1] == 2:
        told, right = output[:, 1], target
    else:
        told, right = output.max(axis=1), (output.argmax(axis=1) == target).astype(np.float64)
    bins = [part for part in np.array_split(np.argsort(told, kind="stable"), BINS) if len(part)]
    distances = [len(part) * abs(told[part].mean() - right[part].mean()) for part in bins]
    return float(sum(distances) / len(target))


def _days(rows: list[Row], loss: Array, bootstrap: Bootstrap) -> dict[str, Estimate]:
    """The mean loss by the day of the prediction, of days that have enough rows to tell."""
    days = np.array([row.time.astimezone(UTC).date().isoformat() for row in rows])
    found = {day: loss[days == day] for day in np.unique(days).tolist()}
    return {
        day: bootstrap.mean(losses) for day, losses in found.items() if len(losses) >= FEWEST_A_DAY
    }
