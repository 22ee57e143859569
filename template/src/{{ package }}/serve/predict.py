"""From checked rows to answers: what every way of asking has in common."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..columns import from_rows
from .champion import Served
from .metrics import Metrics
from .prediction_log import Answered, PredictionLog


class NoNumber(Exception):
    """The model gave something that is not a finite number."""

    def __init__(self) -> None:
        super().__init__("the model gave no finite number for this input")


@dataclass(frozen=True)
class Answer:
    """Probabilities (n, k) or values (n,), and what they say about each row."""

    output: NDArray[np.float64]
    predictions: list[Any]


def predict(
    served: Served,
    rows: list[dict[str, Any]],
    request_id: str,
    log: PredictionLog,
    metrics: Metrics,
) -> Answer:
    model = served.model
    features = model.features(from_rows(rows, model.contract.inputs))
    output = model.predict_features(features)
    if not np.isfinite(output).all():
        raise NoNumber
    predictions = model.answers(output)
    log.add(Answered(datetime.now(UTC), request_id, model, rows, features, output, predictions))
    _count(served, rows, predictions, metrics)
    return Answer(output, predictions)


def response(served: Served, answer: Answer, request_id: str) -> dict[str, Any]:
    """The answer about a single row."""
    info = served.model.info
    content: dict[str, Any] = {"request_id": request_id, "prediction": answer.predictions[0]}
    if info.task == "binary":
        content["probability"] = float(answer.output[0, 1])
    elif info.task == "multiclass":
        names = map(str, info.classes)
        content["probabilities"] = dict(zip(names, answer.output[0].tolist(), strict=True))
    return {**content, "model": served.model.digest}


def _count(
    served: Served, rows: list[dict[str, Any]], predictions: list[Any], metrics: Metrics
) -> None:
    info = served.model.info
    for prediction in predictions:
        if info.task == "regression":
            metrics.values.labels(info.name).observe(prediction)
        else:
            metrics.predictions.labels(str(prediction)).inc()
    for row in rows:
        for column, rule in served.schema.warnings(row):
            metrics.warnings.labels(column, rule).inc()
        for column, codes in info.codes.items():
            value = row.get(column)
            if value is not None and value not in codes:
                metrics.unknown.labels(column).inc()
