"""What the routes share: the champion that serves, and the answers that it gives."""

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from starlette.concurrency import run_in_threadpool

from ..columns import from_rows
from ..errors import ProjectError
from ..model import Model, features_digest
from ..records import Answered
from ..schema import RowError, RowSchema
from ..settings import MODEL_NAME, Settings
from ..store import Champion, ModelStore, StoreError
from .metrics import Metrics, forget_dead_workers
from .prediction_log import PredictionLog

logger = logging.getLogger(__name__)

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
class Served:
    """One loaded champion. A request uses the same one from beginning to end."""

    champion: Champion
    model: Model
    schema: RowSchema

    def features(self, rows: list[dict[str, Any]]) -> NDArray[np.float32]:
        """The (n, f) matrix of features for n checked rows."""
        return self.model.features(from_rows(rows, self.model.contract.inputs))

    def output(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Class probabilities (n, k), or values (n,), for features (n, f)."""
        return self.model.predict_features(features)


class ChampionFollower:
    def __init__(self, store: ModelStore, metrics: Metrics) -> None:
        self.served: Served | None = None
        self._store = store
        self._metrics = metrics
        self._complaint = ""

    def load(self) -> None:
        """Serve the champion of the store, if there is one; raise StoreError if it must not."""
        champion = self._store.champion()
        before = self.served
        if champion is None or (before and before.champion == champion):
            return
        served = load(self._store, champion)
        _warn_of_other_features(served.model)
        self._metrics.serves(served.model, champion.since, before.model if before else None)
        # One assignment: requests see either the old model or the new one.
        self.served = served
        logger.info("serving model %s", champion.digest)

    async def follow(self, seconds: float) -> None:
        """Look for a new champion now and then; keep the present one when it must not serve."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await asyncio.to_thread(self.load)
                self._complaint = ""
            except Exception as error:  # whatever is wrong with the new one, the old one works
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        if str(error) == self._complaint:
            return
        self._complaint = str(error)
        self._metrics.load_failures.inc()
        kept = f"keeping {self.served.champion.digest}" if self.served else "not ready"
        logger.error("%s: %s", kept, error)


def load(store: ModelStore, champion: Champion) -> Served:
    """Load a champion and let it answer once; raise StoreError if it cannot serve."""
    folder = store.open(champion.digest)
    try:
        model = Model(folder)
        schema = RowSchema(model.contract, model.info.categories)
        _answer_once(model, schema)
    except ProjectError as error:
        raise StoreError(f"model {champion.digest} cannot serve: {error}") from None
    except Exception as error:
        raise StoreError(f"model {champion.digest} cannot serve: {error!r}") from error
    return Served(champion, model, schema)


def _warn_of_other_features(model: Model) -> None:
    verdict = json.loads((model.folder / "verdict.json").read_text(encoding="utf-8"))
    here = features_digest()
    if verdict["features"] != here:
        logger.warning(
            "model %s was judged with the features.py %s, and %s computes its features here",
            model.digest,
            verdict["features"],
            here,
        )


def _answer_once(model: Model, schema: RowSchema) -> None:
    try:
        row = schema.check(schema.example())
    except RowError:
        row = {}  # no example is known that the rules allow
    model.predict(from_rows([row], model.contract.inputs))


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
    features = served.features(rows)
    output = served.output(features)
    if not np.isfinite(output).all():
        raise NoNumber
    predictions = model.answers(output)
    log.add(Answered(datetime.now(UTC), request_id, model, rows, features, output, predictions))
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
            return predict(served, rows, request_id, self.log, self.metrics)
        return await run_in_threadpool(predict, served, rows, request_id, self.log, self.metrics)
