"""Evaluation: the verdict on the trained model, and what people look at to understand it."""

import json

from . import plots, report
from .charter import Charter
from .judge import Evaluation, Verdict, judge
from .params import Params
from .settings import MODEL, REPORTS


def evaluate(params: Params, charter: Charter) -> Verdict:
    """Judge the model folder; write its verdict, the metrics, the plots and the report."""
    evaluation = judge(params, charter)
    drawn = plots.make(evaluation)
    evaluation.verdict.write(MODEL / "verdict.json")
    REPORTS.mkdir(parents=True, exist_ok=True)
    text = json.dumps(summary(evaluation), indent=2)
    (REPORTS / "metrics.json").write_text(text + "\n", encoding="utf-8")
    plots.write(drawn, REPORTS)
    report.write(REPORTS / "report.html", evaluation, drawn, params, charter)
    return evaluation.verdict


def summary(evaluation: Evaluation) -> dict[str, float | bool]:
    """One flat line of numbers for `dvc metrics`, rounded so that only real changes show."""
    numbers = {name: estimate.value for name, estimate in evaluation.verdict.metrics.items()}
    numbers["skill"] = evaluation.skill.value
    for name, cost in evaluation.costs.items():
        suffix = "" if name == "model" else f"_{name}"
        numbers[f"cost_per_1000{suffix}"] = cost.value
    rounded = {name: float(f"{value:.6g}") for name, value in numbers.items()}
    return {"passed": evaluation.verdict.passed, **rounded}
