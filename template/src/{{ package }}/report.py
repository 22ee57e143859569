"""The evaluation as one HTML file that needs nothing else: no network, no scripts."""

import base64
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .bootstrap import number
from .charter import Charter
from .judge import Evaluation
from .metrics import LOSS_NAME
from .params import Params
from .pictures import draw
from .plots import Plot

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


def write(
    path: Path, evaluation: Evaluation, plots: list[Plot], params: Params, charter: Charter
) -> None:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    task = evaluation.verdict.task
    html = environment.get_template("report.html.j2").render(
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
        pictures=[(plot, picture(plot)) for plot in plots],
    )
    path.write_text(html, encoding="utf-8")


def picture(plot: Plot) -> str:
    """The picture as a data URI. As images, the SVGs cannot disturb each other's identifiers."""
    return "data:image/svg+xml;base64," + base64.b64encode(draw(plot).encode()).decode()
