"""Why the model says what it says about one row: what each feature added to the output.

Contributions are Shapley values of the served ONNX model by sampling (Štrumbelj & Kononenko 2014):
features of a background row are replaced by those of the row, one by one in a random order, and
each is credited with the change that it makes. Every order is also walked backwards, which cancels
much of the chance. The contributions add up to the output minus the mean output of the background.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .columns import from_rows
from .errors import ProjectError
from .model import Label, Model
from .schema import RowSchema

WALKS = 2_000
BAR = 24


class ExplainError(ProjectError):
    """The row cannot be explained."""


@dataclass(frozen=True)
class Explanation:
    """The steps from one row to the prediction; ``base`` plus the contributions is the output.

    The output is the probability of the class ``explained``, or the value if that is None.
    """

    model: str
    target: str
    inputs: dict[str, Any]
    features: dict[str, float | str | None]
    base: float
    contributions: dict[str, float]
    output: float
    explained: Label | None
    prediction: Any


def explain(model: Model, row: Mapping[str, Any], seed: int = 0) -> Explanation:
    """Explain one row of inputs as a request has them; other keys, say the target, are ignored.

    Raises schema.RowError when the contract does not allow the row.
    """
    if not isinstance(row, Mapping):
        raise ExplainError("a row is a JSON object with a value for each input column")
    schema = RowSchema(model.contract, model.info.categories)
    names = [column.name for column in model.contract.inputs]
    inputs = schema.check({name: row[name] for name in names if name in row})
    features = model.features(from_rows([inputs], model.contract.inputs))
    output = model.predict_features(features)
    index = _explained(model, output)
    background = np.load(model.folder / "background.npy", allow_pickle=False)
    contributions = _contributions(model, features[0], background, index, seed)
    return Explanation(
        model=model.digest,
        target=model.contract.target.name,
        inputs={name: inputs[name] for name in names},
        features=_readable(model, features[0]),
        base=float(_of(model.predict_features(background), index).mean()),
        contributions=dict(zip(model.info.features, contributions.tolist(), strict=True)),
        output=float(_of(output, index)[0]),
        explained=None if index is None else model.info.classes[index],
        prediction=model.answers(output)[0],
    )


def _explained(model: Model, output: NDArray[np.float64]) -> int | None:
    if model.info.task == "regression":
        return None
    return 1 if model.info.task == "binary" else int(output[0].argmax())


def _of(output: NDArray[np.float64], index: int | None) -> NDArray[np.float64]:
    chosen: NDArray[np.float64] = output if index is None else output[:, index]
    return chosen


def _contributions(
    model: Model,
    row: NDArray[np.float32],
    background: NDArray[np.float32],
    index: int | None,
    seed: int,
) -> NDArray[np.float64]:
    """Mean contribution of each feature (f,) over walks from every background row (b, f)."""
    random = np.random.default_rng(seed)
    count, width = background.shape
    rounds = max(1, WALKS // (2 * count))
    total = np.zeros(width)
    for _ in range(rounds):
        order = random.permuted(np.tile(np.arange(width), (count, 1)), axis=1)
        for walk in (order, order[:, ::-1]):
            # Step s of a walk has replaced the features at its places below s.
            place = walk.argsort(axis=1)
            replaced = place[:, None, :] < np.arange(width + 1)[None, :, None]
            steps = np.where(replaced, row, background[:, None, :]).reshape(-1, width)
            outputs = _of(model.predict_features(steps), index).reshape(count, width + 1)
            changes = np.diff(outputs, axis=1)
            total += np.take_along_axis(changes, place, axis=1).sum(axis=0)
    mean: NDArray[np.float64] = total / (2 * rounds * count)
    return mean


def _readable(model: Model, features: NDArray[np.float32]) -> dict[str, float | str | None]:
    """Features by name: categories by their level, missing ones as None."""
    readable: dict[str, float | str | None] = {}
    for name, value in zip(model.info.features, features.tolist(), strict=True):
        if np.isnan(value):
            readable[name] = None
        elif name in model.info.categories:
            readable[name] = model.info.categories[name][int(value)]
        else:
            readable[name] = value
    return readable


def render(explanation: Explanation) -> str:
    """The explanation as text, the largest contribution first."""
    contributions = explanation.contributions
    names = sorted(contributions, key=lambda name: -abs(contributions[name]))
    largest = max(map(abs, contributions.values())) or 1.0
    shown = {name: _shown(explanation.features[name]) for name in names}
    width = max(map(len, names))
    value_width = max(map(len, shown.values()))
    what = explanation.target
    if explanation.explained is not None:
        what = f"probability of {what} = {explanation.explained}"
    lines = [f"{what}, mean of the background rows: {explanation.base:.4g}"]
    for name in names:
        bar = "█" * round(BAR * abs(contributions[name]) / largest)
        lines.append(
            f"  {name:<{width}}  {shown[name]:>{value_width}}  {contributions[name]:>+10.4g}  {bar}"
        )
    lines.append(f"{what}, this row: {explanation.output:.4g}")
    lines.append(f"prediction: {explanation.prediction}")
    return "\n".join(line.rstrip() for line in lines)


def _shown(value: float | str | None) -> str:
    if value is None:
        return "missing"
    return value if isinstance(value, str) else f"{value:.6g}"
