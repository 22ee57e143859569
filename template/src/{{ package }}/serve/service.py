"""What the routes share: the model that serves, the prediction log, the metrics."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool

from ..settings import MODEL_NAME, Settings
from ..store import ModelStore
from .champion import ChampionFollower, Served
from .metrics import Metrics, forget_dead_workers
from .predict import Answer, predict
from .prediction_log import PredictionLog

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
            self.metrics,
        )
        self._poll_seconds = settings.poll_seconds

    @contextlib.asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncIterator[None]:
        forget_dead_workers()
        self.log.start()
        following = asyncio.create_task(self.champion.follow(self._poll_seconds))
        yield
        following.cancel()
        await asyncio.to_thread(self.log.close)

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
