"""What an evaluation leaves behind: the verdict, figures and plots for DVC, a report for people.

The report is one HTML file that needs nothing else: no network, no scripts.
"""

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from . import anchor, plots
from .charter import Charter
from .evaluate import Evaluation
from .metrics import LOSS_NAME, number
from .params import Params
from .plots import Plot
from .settings import MODEL, REPORTS
from .splits import read_table

TEMPLATE = Path(__file__).with_name("report.html.j2")

METRICS = {
    "log_loss": ("log loss", "lower is better"),
    "accuracy": ("accuracy", "higher is better"),
    "brier": ("Brier score", "lower is better"),
    "roc_auc": ("ROC AUC", "higher is better, 0.5 is chance"),
    "average_precision": ("average precision", "higher is better"),
    "macro_f1": ("F1, mean of the classes", "higher is better"),
    "rmse": ("root mean squared error", "lower is better"),
    "mae": ("mean absolute error", "lower is better"),
    "r2": ("R²", "higher is better, 1 is perfect"),
}

COSTS = {
    "false_alarm": "false alarm",
    "miss": "miss",
    "wrong": "wrong class",
    "too_high": "each unit too high",
    "too_low": "each unit too low",
}


def publish(evaluation: Evaluation, params: Params, charter: Charter) -> None:
    """Write verdict and anchor into the model folder, and all else into the reports folder."""
    drawn = plots.make(evaluation)
    evaluation.verdict.write(MODEL / "verdict.json")
    anchor.write(MODEL, read_table("test"), evaluation.model.contract)
    REPORTS.mkdir(parents=True, exist_ok=True)
    metrics = json.dumps(summary(evaluation), indent=2)
    (REPORTS / "metrics.json").write_text(metrics + "\n", encoding="utf-8")
    plots.write(drawn, REPORTS)
    html = render(evaluation, drawn, params, charter)
    (REPORTS / "report.html").write_text(html, encoding="utf-8")


def summary(evaluation: Evaluation) -> dict[str, float | bool]:
    """One flat line of numbers for `dvc metrics`, rounded so that only real changes show."""
    numbers = {name: estimate.value for name, estimate in evaluation.verdict.metrics.items()}
    numbers["skill"] = evaluation.skill.value
    for name, cost in evaluation.costs.items():
        suffix = "" if name == "model" else f"_{name}"
        numbers[f"cost_per_1000{suffix}"] = cost.value
    rounded = {name: float(f"{value:.6g}") for name, value in numbers.items()}
    return {"passed": evaluation.verdict.passed, **rounded}


def render(evaluation: Evaluation, drawn: list[Plot], params: Params, charter: Charter) -> str:
    task = evaluation.verdict.task
    return page(
        TEMPLATE,
        evaluation=evaluation,
        verdict=evaluation.verdict,
        info=evaluation.model.info,
        target=evaluation.model.contract.target.name,
        loss_name=LOSS_NAME[task],
        metric_names=METRICS,
        confidence=params.gates.confidence,
        least_rows=params.gates.slice_min_rows,
        charter=charter,
        costs={COSTS[kind]: cost for kind, cost in charter.costs.of(task).items()},
        assumed=[COSTS[kind] for kind in charter.costs.assumed(task)],
        few=[part for part in evaluation.slices if part.skill is None],
        pictures=[(plot, picture(plot)) for plot in drawn],
    )


def page(template: Path, **values: Any) -> str:
    """A page of HTML; every value is escaped."""
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    return environment.get_template(template.name).render(values)


def picture(plot: Plot, then: Plot | None = None) -> str:
    """The picture as a data URI. As images, the SVGs cannot disturb each other's identifiers."""
    drawn = plots.draw(plot, then).encode()
    return "data:image/svg+xml;base64," + base64.b64encode(drawn).decode()
