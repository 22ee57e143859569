"""The service, and how it is started: with one worker or several."""

import copy
import os
import sys
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import SecretStr
from starlette.types import ASGIApp

from ..errors import ProjectError
from ..settings import MODEL_NAME, Settings
from ..store import ModelStore
from .access import Access
from .champion import load
from .connection import Connection
from .direct import Direct
from .metrics import shared_by_workers
from .routes import HANDLERS, guarded, router
from .service import Service
from .traffic import Traffic

# A request that takes longer than this after a stop is cut off.
STOP_SECONDS = 20
# uvloop is a little faster, but takes one new connection after the other: a flood of them would
# wait where nobody sees it, instead of being turned away.
CONNECTIONS: dict[str, Any] = {"loop": "asyncio", "http": Connection}


def create_app(settings: Settings) -> ASGIApp:
    """The service with the champion loaded; raise ProjectError when it must not start."""
    access = Access(settings.api_key)
    service = Service(settings)
    app = FastAPI(
        title=MODEL_NAME, lifespan=service.lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.state.service = service
    app.include_router(router)
    app.include_router(guarded, dependencies=access.guards())
    for error, handler in HANDLERS.items():
        app.add_exception_handler(error, handler)
    return Traffic(Direct(app, access), service.metrics, settings.max_in_flight)


def run(settings: Settings) -> None:
    """Serve until told to stop; raise ProjectError when the service must not start."""
    options: dict[str, Any] = {
        "host": settings.host,
        "port": settings.port,
        **CONNECTIONS,
        "access_log": False,
        "log_config": _log_config(),
        "timeout_graceful_shutdown": STOP_SECONDS,
    }
    if settings.workers == 1:
        uvicorn.run(create_app(settings), **options)
        return
    Access(settings.api_key)
    store = ModelStore(settings.model_store, MODEL_NAME)
    if champion := store.champion():
        load(store, champion)
    os.environ.update(environment(settings))
    with shared_by_workers():
        uvicorn.run(f"{__name__}:worker", factory=True, workers=settings.workers, **options)


def environment(settings: Settings) -> dict[str, str]:
    """The settings as workers find them, which are processes of their own."""
    return {
        name.upper(): value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in settings
        if value is not None
    }


def worker() -> ASGIApp:
    """What each of several workers serves."""
    try:
        return create_app(Settings())
    except ProjectError as error:
        sys.exit(str(error))


def _log_config() -> dict[str, Any]:
    config = copy.deepcopy(uvicorn.config.LOGGING_CONFIG)
    package = __name__.partition(".")[0]
    config["loggers"][package] = {"handlers": ["default"], "level": "INFO", "propagate": False}
    return config
