"""The plots of an evaluation: records for `dvc plots`, and pictures of them for the report."""

import io
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .evaluate import Evaluation
from .metrics import LOSS_NAME, Array, Estimate, decide, number
from .splits import spread
from .staleness import Staleness

# Points, bins and bars that a person can still read, and rows that a browser can still draw.
CURVE_POINTS = 200
SCATTER_POINTS = 500
CONFUSION_ROWS = 5_000
BINS = 10
BARS = 25

# Blue is from the colour-blind safe palette of Okabe and Ito.
BLUE, GREY = "#0072B2", "#6b7280"

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e5e7eb",
    "svg.hashsalt": "report",
    # Text stays text: the reader's machine has the fonts for any language.
    "svg.fonttype": "none",
}

# Beyond these, labels would overlap.
CELLS_WITH_NUMBERS = 12
LEGIBLE_TICKS = 30

Record = dict[str, Any]


@dataclass(frozen=True)
class Plot:
    """Records drawn by one of DVC's templates, or then_and_now, from the fields named x and y.

    ``text`` tells a person who cannot see the picture what is in it.
    """

    name: str
    title: str
    template: str
    x: str
    y: str
    records: list[Record]
    text: str


def make(evaluation: Evaluation) -> list[Plot]:
    """The plots that fit the task, the most telling first."""
    kinds = {"binary": _binary, "multiclass": _multiclass, "regression": _regression}
    plots = list(kinds[evaluation.verdict.task](evaluation))
    plots.append(_importance(evaluation))
    judged = [(part.name, part.skill) for part in evaluation.slices if part.skill is not None]
    if judged:
        worst = sorted(judged, key=lambda item: item[1].value)[:BARS]
        text = f"The lowest skill is {worst[0][1]}, where {worst[0][0]}."
        records = _bars("slice", "skill", dict(worst))
        title = "Skill by slice"
        plots.append(
            Plot("slices", title, "bar_horizontal_sorted", "skill", "slice", records, text)
        )
    if evaluation.staleness and evaluation.staleness.gaps:
        plots.append(_ageing(evaluation.staleness, LOSS_NAME[evaluation.verdict.task]))
    return plots


def write(plots: list[Plot], folder: Path) -> None:
    """Write plots/<name>.json, and the dvc.yaml beside them that tells DVC how to draw them."""
    (folder / "plots").mkdir(parents=True, exist_ok=True)
    for plot in plots:
        text = json.dumps(plot.records, indent=0, allow_nan=False, ensure_ascii=False)
        (folder / "plots" / f"{plot.name}.json").write_text(text + "\n", encoding="utf-8")
    definitions = [
        {
            f"plots/{plot.name}.json": {
                "template": plot.template,
                "x": plot.x,
                "y": plot.y,
                "title": plot.title,
                "x_label": plot.x.replace("_", " "),
                "y_label": plot.y.replace("_", " "),
            }
        }
        for plot in plots
    ]
    content = yaml.safe_dump({"plots": definitions}, sort_keys=False, allow_unicode=True)
    (folder / "dvc.yaml").write_text(content, encoding="utf-8")


def _binary(evaluation: Evaluation) -> Iterator[Plot]:
    score = evaluation.outputs["model"][:, 1]
    positive = str(evaluation.model.info.classes[1])
    if "roc_auc" in evaluation.verdict.metrics:
        yield _roc(evaluation.target, score, evaluation.verdict.metrics["roc_auc"])
    yield _calibration(score, evaluation.target, f"Calibration: probability of {positive}")
    yield _confusion(evaluation)


def _multiclass(evaluation: Evaluation) -> Iterator[Plot]:
    output = evaluation.outputs["model"]
    right = output.argmax(axis=1) == evaluation.target
    yield _confusion(evaluation)
    yield _calibration(output.max(axis=1), right, "Calibration: probability of the likeliest class")


def _regression(evaluation: Evaluation) -> Iterator[Plot]:
    rows = spread(len(evaluation.target), SCATTER_POINTS)
    actual, predicted = evaluation.target[rows], evaluation.outputs["model"][rows]
    records = [
        {"actual": _round(a), "predicted": _round(p), "residual": _round(a - p)}
        for a, p in zip(actual, predicted, strict=True)
    ]
    error = evaluation.verdict.metrics["rmse"]
    text = f"Good predictions lie near the diagonal; the root mean squared error is {error}."
    title = "Predicted and actual values"
    yield Plot("predicted_actual", title, "scatter", "predicted", "actual", records, text)
    errors = evaluation.target - evaluation.outputs["model"]
    text = f"Actual minus predicted values; half of them lie between {_half(errors)}."
    yield Plot("residuals", "Residuals", "scatter", "predicted", "residual", records, text)


def _roc(target: Array, score: Array, area: Estimate) -> Plot:
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))
    ends = ends[spread(len(ends), CURVE_POINTS - 1)]
    hits = np.append(0, np.cumsum(target[order])[ends]) / target.sum()
    alarms = np.append(0, np.cumsum(1 - target[order])[ends]) / (1 - target).sum()
    records = [
        {"false_positive_rate": _round(alarm), "true_positive_rate": _round(hit)}
        for alarm, hit in zip(alarms, hits, strict=True)
    ]
    x, y = "false_positive_rate", "true_positive_rate"
    text = f"The area under the curve is {area}; 0.5 is chance, 1 is perfect."
    return Plot("roc", "ROC curve", "linear", x, y, records, text)


def _calibration(score: Array, happened: Array, title: str) -> Plot:
    """Mean probability and observed share in bins of equally many rows."""
    bins = np.array_split(np.argsort(score, kind="stable"), min(BINS, len(score)))
    records = [
        {
            "mean_probability": _round(score[rows].mean()),
            "observed_share": _round(happened[rows].mean()),
            "rows": len(rows),
        }
        for rows in bins
    ]
    gap = max(abs(one["mean_probability"] - one["observed_share"]) for one in records)
    text = f"In {len(records)} bins, probabilities and observed shares differ by {gap:.3f} at most."
    return Plot("calibration", title, "linear", "mean_probability", "observed_share", records, text)


def _confusion(evaluation: Evaluation) -> Plot:
    """One record per row, which DVC counts; evenly spread rows when there are very many."""
    info = evaluation.model.info
    says = decide(info.task, evaluation.outputs["model"], info.threshold)
    rows = spread(len(says), CONFUSION_ROWS)
    labels = [str(label) for label in info.classes]
    records = [
        {"actual": labels[int(actual)], "predicted": labels[int(said)]}
        for actual, said in zip(evaluation.target[rows], says[rows], strict=True)
    ]
    right = sum(record["actual"] == record["predicted"] for record in records)
    text = f"{right:,} of {len(records):,} rows get the right class."
    return Plot("confusion", "Confusion", "confusion", "predicted", "actual", records, text)


def _importance(evaluation: Evaluation) -> Plot:
    best = dict(list(evaluation.importance.items())[:BARS])
    rise = f"rise_of_{LOSS_NAME[evaluation.verdict.task]}".replace(" ", "_")
    text = f"The model relies most on {', then '.join(list(best)[:3])}."
    records = _bars("input", rise, best)
    title = "Importance: rise of the loss when one input is shuffled"
    return Plot("importance", title, "bar_horizontal_sorted", rise, "input", records, text)


def _ageing(staleness: Staleness, loss: str) -> Plot:
    gap = f"{loss}_above_a_fresh_model".replace(" ", "_")
    records = [
        {
            "days_of_age": one.age_days,
            gap: _round(one.gap),
            "low": _round(one.low),
            "high": _round(one.high),
        }
        for one in staleness.gaps
    ]
    text = f"How much higher the {loss} of old models is than that of fresh ones on the same rows."
    return Plot("ageing", "Ageing", "simple", "days_of_age", gap, records, text)


def _bars(label: str, value: str, estimates: dict[str, Estimate]) -> list[Record]:
    return [
        {label: name, value: _round(one.value), "low": _round(one.low), "high": _round(one.high)}
        for name, one in estimates.items()
    ]


def _half(values: Array) -> str:
    low, high = np.quantile(values, [0.25, 0.75])
    return f"{number(low)} and {number(high)}"


def _round(value: float) -> float:
    return float(f"{value:.6g}")


def draw(plot: Plot, then: Plot | None = None) -> str:
    """One plot as a standalone SVG document; a line can be drawn over what it was ``then``."""
    bars = plot.template in ("bar_horizontal_sorted", "then_and_now")
    height = 1.2 + 0.26 * len(plot.records) if bars else 4.2
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(6, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xlabel(plot.x.replace("_", " "))
        axes.set_ylabel("" if bars else plot.y.replace("_", " "))
        DRAWN[plot.template](axes, plot)
        if then:
            now = next(line for line in axes.lines if line.get_color() == BLUE)
            before = axes.plot(_values(then, plot.x), _values(then, plot.y), color=GREY, zorder=1.5)
            axes.legend([*before, now], ["then", "now"], frameon=False)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _values(plot: Plot, field: str) -> NDArray[Any]:
    return np.array([record[field] for record in plot.records])


def _draw_line(axes: Axes, plot: Plot) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    marker = "o" if len(plot.records) < 30 else None
    axes.plot(_values(plot, plot.x), _values(plot, plot.y), color=BLUE, linewidth=2, marker=marker)
    axes.set_aspect("equal")


def _draw_ages(axes: Axes, plot: Plot) -> None:
    age, gap = _values(plot, plot.x), _values(plot, plot.y)
    axes.fill_between(age, _values(plot, "low"), _values(plot, "high"), color=BLUE, alpha=0.2)
    axes.plot(age, gap, color=BLUE, linewidth=2, marker="o")
    axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    axes.set_xlim(left=0)


def _draw_scatter(axes: Axes, plot: Plot) -> None:
    x, y = _values(plot, plot.x), _values(plot, plot.y)
    axes.scatter(x, y, s=18, color=BLUE, alpha=0.6, linewidths=0)
    if plot.y == "residual":
        axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    else:
        axes.axline((x.mean(), x.mean()), slope=1, color=GREY, linewidth=1, linestyle="--")


def _draw_bars(axes: Axes, plot: Plot) -> None:
    value, low, high = (_values(plot, field) for field in (plot.x, "low", "high"))
    place = np.arange(len(value))
    axes.barh(place, value, color=BLUE, height=0.7)
    axes.hlines(place, low, high, color="#111827", linewidth=1.5)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(place, [_short(str(record[plot.y])) for record in plot.records])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _draw_then_and_now(axes: Axes, plot: Plot) -> None:
    place = np.arange(len(plot.records))
    axes.barh(place - 0.2, _values(plot, "then"), color=GREY, height=0.4, label="then")
    axes.barh(place + 0.2, _values(plot, "now"), color=BLUE, height=0.4, label="now")
    axes.set_yticks(place, [_short(str(record[plot.y])) for record in plot.records])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    # Above the bars, wherever these end.
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)


def _draw_confusion(axes: Axes, plot: Plot) -> None:
    actual, said = _values(plot, plot.y), _values(plot, plot.x)
    labels = np.unique([actual, said])
    count = np.zeros((len(labels), len(labels)), dtype=int)
    np.add.at(count, (np.searchsorted(labels, actual), np.searchsorted(labels, said)), 1)
    share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    if len(labels) <= CELLS_WITH_NUMBERS:
        for (row, column), cell in np.ndenumerate(count):
            dark = share[row, column] > 0.55
            axes.text(
                column,
                row,
                f"{cell:,}\n{share[row, column]:.0%}" if len(labels) <= 4 else f"{cell:,}",
                ha="center",
                va="center",
                color="white" if dark else "#111827",
            )
    names = [_short(label) for label in labels] if len(labels) <= LEGIBLE_TICKS else []
    axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 6 else 0)
    axes.set_yticks(range(len(names)), names)


def _short(label: str) -> str:
    # A dollar sign would start a formula.
    label = label.replace("$", r"\$")
    return label if len(label) <= 32 else label[:31] + "…"


DRAWN: dict[str, Callable[[Axes, Plot], None]] = {
    "linear": _draw_line,
    "simple": _draw_ages,
    "scatter": _draw_scatter,
    "bar_horizontal_sorted": _draw_bars,
    "then_and_now": _draw_then_and_now,
    "confusion": _draw_confusion,
}
