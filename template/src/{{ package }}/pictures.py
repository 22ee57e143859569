"""Pictures of the plots as SVG text, the same bytes for the same records."""

import io
import warnings
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from .plots import Plot

# From the colour-blind safe palette of Okabe and Ito.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#6b7280"

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


def draw(plot: Plot) -> str:
    """One plot as a standalone SVG document."""
    bars = plot.template == "bar_horizontal_sorted"
    height = 1.2 + 0.26 * len(plot.records) if bars else 4.2
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(6, height), layout="constrained")
        axes = figure.add_subplot()
        axes.set_xlabel(plot.x.replace("_", " "))
        axes.set_ylabel("" if bars else plot.y.replace("_", " "))
        DRAWN[plot.template](axes, plot)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def _values(plot: Plot, field: str) -> NDArray[Any]:
    return np.array([record[field] for record in plot.records])


def _line(axes: Axes, plot: Plot) -> None:
    axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle="--")
    marker = "o" if len(plot.records) < 30 else None
    axes.plot(_values(plot, plot.x), _values(plot, plot.y), color=BLUE, linewidth=2, marker=marker)
    axes.set_aspect("equal")


def _scatter(axes: Axes, plot: Plot) -> None:
    x, y = _values(plot, plot.x), _values(plot, plot.y)
    axes.scatter(x, y, s=18, color=BLUE, alpha=0.6, linewidths=0)
    if plot.y == "residual":
        axes.axhline(0, color=GREY, linewidth=1, linestyle="--")
    else:
        axes.axline((x.mean(), x.mean()), slope=1, color=GREY, linewidth=1, linestyle="--")


def _bars(axes: Axes, plot: Plot) -> None:
    value, low, high = (_values(plot, field) for field in (plot.x, "low", "high"))
    place = np.arange(len(value))
    axes.barh(place, value, color=BLUE, height=0.7)
    axes.hlines(place, low, high, color="#111827", linewidth=1.5)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(place, [_short(str(record[plot.y])) for record in plot.records])
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")


def _confusion(axes: Axes, plot: Plot) -> None:
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
    "linear": _line,
    "scatter": _scatter,
    "bar_horizontal_sorted": _bars,
    "confusion": _confusion,
}
