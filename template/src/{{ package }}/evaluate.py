"""Evaluation: a trained model is judged on the test split, against the baselines and by slice."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .charter import Charter
from .metrics import (
    LOSS_NAME,
    Array,
    Bootstrap,
    Estimate,
    Statistic,
    mean,
    number,
    per_row_loss,
    permutation_importance,
    reported,
    skill,
    value_of,
)
from .model import Model, OnnxModel, features_digest, file_digest
from .params import Params, Task
from .settings import MODEL, PREPARED
from .slices import Slice, judge_slices
from .splits import NAMES, read
from .staleness import Staleness
from .staleness import read as read_staleness

BASELINES = ("constant", "linear")


@dataclass(frozen=True)
class Check:
    name: str
    passed: bool
    detail: str


@dataclass(frozen=True)
class Verdict:
    """Bound by sha256 to the model, the contract, the feature code and the prepared data.

    It says nothing of time or commit: the same model on the same data has the same verdict.
    """

    task: Task
    model: str
    contract: str
    features: str
    data: str
    loss: Estimate
    metrics: dict[str, Estimate]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def write(self, path: Path) -> None:
        content = {"passed": self.passed, **asdict(self)}
        path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Evaluation:
    """All that the verdict, the plots and the report say of a model on n test rows.

    Dictionaries by model have the keys model, linear and constant. ``costs`` are expected costs of
    1,000 predictions.
    """

    model: Model
    reason: str
    target: Array
    outputs: dict[str, Array]
    skill: Estimate
    baseline_metrics: dict[str, dict[str, float]]
    costs: dict[str, Estimate]
    slices: list[Slice]
    importance: dict[str, Estimate]
    staleness: Staleness | None
    verdict: Verdict


def evaluate(params: Params, charter: Charter) -> Evaluation:
    """Score the test split with the model folder as it would be served, and judge the result."""
    model = Model(MODEL, params.threads)
    task, threshold = model.info.task, model.info.threshold
    baselines = json.loads((MODEL / "baselines.json").read_text(encoding="utf-8"))
    split = read("test", model.contract)
    target = split.target(model.info.classes)
    answers = answer(model, model.features(split.columns), baselines["constant"])
    # Outputs that are no numbers fail a check of their own; the other checks go on without them.
    outputs = {name: np.nan_to_num(output, posinf=0, neginf=0) for name, output in answers.items()}
    losses = {name: per_row_loss(task, target, output) for name, output in outputs.items()}
    metrics = {name: reported(task, target, output, threshold) for name, output in outputs.items()}
    gates = params.gates
    bootstrap = Bootstrap(gates.confidence, gates.resamples, params.seed)
    estimates = estimate(
        bootstrap,
        len(target),
        {
            "loss": {"model": mean(losses["model"])},
            "skill": {"model": skill(losses["model"], losses["constant"])},
            "gain": {name: mean(losses[name] - losses["model"]) for name in BASELINES},
            "cost": {
                name: mean(1000 * charter.costs.per_row(task, target, output, threshold))
                for name, output in outputs.items()
            },
            "metric": metrics["model"],
        },
    )
    slices = judge_slices(params.slices, model.contract, split.columns, losses, gates, bootstrap)
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    return Evaluation(
        model=model,
        reason=baselines["reason"],
        target=target,
        outputs=outputs,
        skill=estimates["skill"]["model"],
        baseline_metrics={
            name: {metric: value_of(one, len(target)) for metric, one in metrics[name].items()}
            for name in BASELINES
        },
        costs=estimates["cost"],
        slices=slices,
        importance=permutation_importance(model, split.columns, target, bootstrap),
        staleness=read_staleness(MODEL),
        verdict=Verdict(
            task=task,
            model=model.digest,
            contract=model.contract.digest,
            features=features_digest(),
            data=data_digest(),
            loss=estimates["loss"]["model"],
            metrics=estimates["metric"],
            checks=[
                check_finite(answers["model"]),
                check_beats("constant", LOSS_NAME[task], means, estimates["gain"]),
                check_linear(model.info.kind, LOSS_NAME[task], means, estimates["gain"]),
                check_slices(slices, gates.slice_min_rows, gates.slice_min_skill),
            ],
        ),
    )


def answer(model: Model, features: NDArray[np.float32], constant: list[float]) -> dict[str, Array]:
    """The outputs of the model and of both baselines for features (n, f)."""
    n = len(features)
    return {
        "model": model.predict_features(features),
        "linear": OnnxModel(model.folder / "linear.onnx")(features),
        "constant": np.tile(constant, (n, 1)) if len(constant) > 1 else np.full(n, constant[0]),
    }


def estimate(
    bootstrap: Bootstrap, n: int, groups: dict[str, dict[str, Statistic]]
) -> dict[str, dict[str, Estimate]]:
    """Estimates in the same groups, from one set of draws: drawing costs more than counting."""
    flat = {
        (group, name): one for group, members in groups.items() for name, one in members.items()
    }
    estimates = bootstrap.estimate(n, flat)
    return {
        group: {name: estimates[group, name] for name in members}
        for group, members in groups.items()
    }


def data_digest() -> str:
    """One sha256 of all prepared splits."""
    digests = [file_digest(PREPARED / f"{name}.parquet") for name in NAMES]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def check_finite(output: Array) -> Check:
    wrong = int((~np.isfinite(output.reshape(len(output), -1))).any(axis=1).sum())
    detail = f"of {len(output):,} predictions, {wrong:,} are not finite numbers"
    return Check("finite outputs", wrong == 0, detail)


def check_beats(
    baseline: str, loss_name: str, means: dict[str, float], gains: dict[str, Estimate]
) -> Check:
    """The baseline's loss must be higher by more than the paired interval leaves to chance."""
    gain = gains[baseline]
    detail = (
        f"{loss_name} {number(means['model'])} against {number(means[baseline])}, difference {gain}"
    )
    return Check(f"beats the {baseline} baseline", gain.low > 0, detail)


def check_linear(
    kind: str, loss_name: str, means: dict[str, float], gains: dict[str, Estimate]
) -> Check:
    if kind == "linear":
        return Check("beats the linear baseline", True, "the candidate is the linear model")
    return check_beats("linear", loss_name, means, gains)


def check_slices(slices: list[Slice], least_rows: int, limit: float) -> Check:
    """No slice may be surely below the limit of skill; those with few rows are not judged."""
    failed = [f"{part.name}: skill {part.skill}" for part in slices if not part.passed]
    judged = sum(part.skill is not None for part in slices)
    detail = f"{'; '.join(failed)}, the limit is {limit:g}" if failed else f"{judged} slices judged"
    if few := len(slices) - judged:
        detail += f"; {few} with fewer than {least_rows} rows are too small to judge"
    return Check("no slice under its limit", not failed, detail)
