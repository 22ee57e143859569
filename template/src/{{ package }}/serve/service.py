"""What the routes share: the champion that serves, and the answers that it gives."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from ..records import Answered
from ..settings import MODEL_NAME, Settings
from ..store import ModelStore
from .champion import ChampionFollower, Served
from .metrics import Metrics, forget_dead_workers
from .prediction_log import PredictionLog
from .together import Computed, Together

# From this many rows on, predicting would keep the worker's other requests waiting.
MANY_ROWS = 50


class NotReady(Exception):
    """No model is loaded."""

    def __init__(self) -> None:
        super().__init__(f"no model serves yet: run `{MODEL_NAME} register`")


class UnknownModel(Exception):
    """A model of this name is not served here."""

    def __init__(self, name: str, served: str) -> None:
        super().__init__(f"there is no model {name!r} here, only {served!r}")


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
    features = served.features(rows)
    computed = Computed(features, served.output(features))
    return answer(served, rows, computed, request_id, log, metrics)


def answer(
    served: Served,
    rows: list[dict[str, Any]],
    computed: Computed,
    request_id: str,
    log: PredictionLog,
    metrics: Metrics,
) -> Answer:
    """What was computed as an answer, logged and counted; raise NoNumber if it is none."""
    features, output = computed
    if not np.isfinite(output).all():
        raise NoNumber
    predictions = served.model.answers(output)
    now = datetime.now(UTC)
    log.add(Answered(now, request_id, served.model, rows, features, output, predictions))
    _count(served, rows, output, predictions, metrics)
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
    served: Served,
    rows: list[dict[str, Any]],
    output: NDArray[np.float64],
    predictions: list[Any],
    metrics: Metrics,
) -> None:
    info = served.model.info
    if info.task == "regression":
        for value in predictions:
            metrics.values.labels(info.name).observe(value)
    else:
        binary = info.task == "binary"
        likely = output[:, 1] if binary else output.max(axis=1)
        for prediction, probability in zip(predictions, likely.tolist(), strict=True):
            metrics.predictions.labels(str(prediction)).inc()
            name = str(info.classes[1] if binary else prediction)
            metrics.probabilities.labels(name).observe(probability)
    for row in rows:
        for column, rule in served.schema.warnings(row):
            metrics.warnings.labels(column, rule).inc()
        for column, codes in info.codes.items():
            value = row.get(column)
            if value is not None and value not in codes:
                metrics.unknown.labels(column).inc()


class Service:
    def __init__(self, settings: Settings) -> None:
        self.metrics = Metrics()
        self.locked = settings.api_key is not None
        store = ModelStore(settings.model_store, MODEL_NAME)
        self.champion = ChampionFollower(store, self.metrics)
        self.champion.load()
        self.log = PredictionLog(
            settings.prediction_log,
            settings.prediction_store,
            settings.segment_seconds,
            settings.prediction_log_max_bytes,
            self.metrics,
        )
        self._together = Together()
        self._poll_seconds = settings.poll_seconds

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        forget_dead_workers()
        self.log.start()
        following = asyncio.create_task(self.champion.follow(self._poll_seconds))
        measuring = asyncio.create_task(self._measure())
        yield
        following.cancel()
        measuring.cancel()
        await asyncio.to_thread(self.log.close)

    async def _measure(self) -> None:
        while True:
            self.metrics.note_memory()
            await asyncio.sleep(self._poll_seconds)

    def served(self) -> Served:
        """The model of now; a request asks once and keeps it to its end."""
        if self.champion.served is None:
            raise NotReady
        return self.champion.served

    def named(self, name: str) -> Served:
        served = self.served()
        if name != served.model.info.name:
            raise UnknownModel(name, served.model.info.name)
        return served

    async def predict(self, served: Served, rows: list[dict[str, Any]], request_id: str) -> Answer:
        if len(rows) < MANY_ROWS:
            computed = await self._together.compute(served, rows)
            return answer(served, rows, computed, request_id, self.log, self.metrics)
        return await run_in_threadpool(predict, served, rows, request_id, self.log, self.metrics)
