"""The service, and how it is started: with one worker or several."""

import copy
import os
import sys
import time
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..settings import MODEL_NAME, Settings
from ..store import ModelStore, StoreError
from .metrics import Metrics, shared_by_workers
from .routes import HANDLERS, router
from .service import Service, load

# A request that takes longer than this after a stop is cut off.
STOP_SECONDS = 20
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


def create_app(settings: Settings) -> FastAPI:
    """The service with the champion loaded; raise StoreError when that must not serve."""
    service = Service(settings)
    app = FastAPI(
        title=MODEL_NAME, lifespan=service.lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.service = service
    app.include_router(router)
    app.add_middleware(Instrumented, metrics=service.metrics)
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
    return app


def run(settings: Settings) -> None:
    """Serve until told to stop; raise StoreError when the champion must not serve."""
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        "access_log": False,
        "log_config": _log_config(),
        "timeout_graceful_shutdown": STOP_SECONDS,
    }
    if settings.workers == 1:
        uvicorn.run(create_app(settings), **options)
        return
    store = ModelStore(settings.model_store, MODEL_NAME)
    if champion := store.champion():
        load(store, champion)
    # Workers are processes of their own and find the settings where we would: in the environment.
    for name, value in settings.model_dump(mode="json", exclude_none=True).items():
        os.environ[name.upper()] = str(value)
    with shared_by_workers():
        uvicorn.run(f"{__name__}:worker", factory=True, workers=settings.workers, **options)


def worker() -> FastAPI:
    """What each of several workers serves."""
    try:
        return create_app(Settings())
    except StoreError as error:
        sys.exit(str(error))


def _log_config() -> dict[str, Any]:
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    package = __name__.partition(".")[0]
    config["loggers"][package] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config


class Instrumented:
    """Count and time requests, by route template so that no label grows with the paths."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        metrics = self._metrics
        started = time.perf_counter()
        metrics.in_flight.inc()
        try:
            await self._app(scope, receive, note_status)
        finally:
            metrics.in_flight.dec()
            route = _route(scope)
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.requests.labels(route, method, str(status)).inc()
            metrics.seconds.labels(route).observe(time.perf_counter() - started)


def _route(scope: Scope) -> str:
    path: str = getattr(scope.get("route"), "path", "none")
    return path
