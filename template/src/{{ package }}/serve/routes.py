"""The routes: /predict, the Open Inference Protocol v2, health and metrics."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.requests import ClientDisconnect

from ..schema import RowError
from ..settings import MODEL_NAME
from . import docs, inference
from .access import Unauthorised
from .inference import InferenceError
from .service import NoNumber, NotReady, Service, UnknownModel, response
from .traffic import INFER, PREDICT

MAX_BODY = 1024 * 1024
BODY_SECONDS = 10
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

router = APIRouter()
# The routes that need the API key, if there is one.
guarded = APIRouter()


class BodyTooLarge(Exception):
    """The body is longer than one request may be."""

    def __init__(self) -> None:
        super().__init__(f"the body is longer than {MAX_BODY:,} bytes")


class BodyTooSlow(Exception):
    """The body did not come in time."""

    def __init__(self) -> None:
        super().__init__(f"the body was not there after {BODY_SECONDS} seconds")


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


@guarded.post(PREDICT)
async def predict(request: Request) -> Response:
    """Predict one row."""
    service = _service(request)
    served = service.served()
    row = served.schema.parse(await _read_body(request))
    id = _request_id(request)
    answer = await service.predict(served, [row], id)
    return JSONResponse(response(served, answer, id), headers={"x-request-id": id})


@guarded.get("/v2")
async def server() -> dict[str, Any]:
    """Which protocol this is."""
    return {"name": MODEL_NAME, "version": "2", "extensions": []}


@guarded.get("/v2/models/{name}")
async def model(request: Request, name: str) -> dict[str, Any]:
    """The model's input and output tensors."""
    return inference.metadata(_service(request).named(name))


@router.get("/v2/models/{name}/ready")
async def model_ready(request: Request, name: str) -> dict[str, Any]:
    """Whether this model answers."""
    return {"name": _service(request).named(name).model.info.name, "ready": True}


@guarded.post(INFER)
async def infer(request: Request, name: str) -> Response:
    """Predict rows that are sent as tensors."""
    service = _service(request)
    served = service.named(name)
    query = inference.parse(await _read_body(request))
    outputs = inference.wanted(query, served)
    rows = inference.rows(query, served)
    id = _request_id(request, query.id)
    answer = await service.predict(served, rows, id)
    return JSONResponse(
        inference.response(query, served, answer, outputs), headers={"x-request-id": id}
    )


@router.get("/healthz")
@router.get("/v2/health/live")
async def live() -> dict[str, bool]:
    """The process answers."""
    return {"live": True}


@router.get("/readyz")
@router.get("/v2/health/ready")
async def ready(request: Request) -> dict[str, Any]:
    """A model is loaded."""
    return {"ready": True, "model": _service(request).served().model.digest}


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(request: Request) -> Response:
    """What Prometheus reads."""
    metrics = _service(request).metrics
    return Response(metrics.text(), media_type=metrics.content_type)


@router.get("/openapi.json")
async def openapi_json(request: Request) -> dict[str, Any]:
    """This interface, with the inputs of the model that serves."""
    return docs.openapi(request.app, _service(request).champion.served)


@router.get("/", response_class=HTMLResponse)
async def index(request: Request) -> Response:
    """What this is, for a person with a browser."""
    service = _service(request)
    return HTMLResponse(docs.page(str(request.base_url), service.champion.served, service.locked))


async def _read_body(request: Request) -> bytes:
    """The body, of which never more than the limit is held; raise BodyTooLarge or BodyTooSlow."""
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise BodyTooLarge
    except TimeoutError:
        raise BodyTooSlow from None
    return bytes(body)


def _request_id(request: Request, id: str | None = None) -> str:
    """The caller's id for this request if it is short and plain, else a new one."""
    given = id or request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


async def _row_refused(request: Request, error: RowError) -> Response:
    refused = _service(request).metrics.refused
    served = _service(request).champion.served
    known = {column.name for column in served.schema.columns} if served else set()
    for problem in error.problems:
        refused.labels(problem.column if problem.column in known else "other", problem.rule).inc()
    if _is_v2(request):
        return JSONResponse({"error": str(error)}, 400)
    detail = [
        {"loc": ["body", problem.column], "type": problem.rule, "msg": problem.message}
        for problem in error.problems
    ]
    return JSONResponse({"detail": detail}, 422)


def _failure(status: int, **headers: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    async def handler(request: Request, error: Exception) -> Response:
        return JSONResponse({"error" if _is_v2(request) else "detail": str(error)}, status, named)

    return handler


def _is_v2(request: Request) -> bool:
    return request.url.path.startswith("/v2/")


HANDLERS: dict[type[Exception], Any] = {
    RowError: _row_refused,
    InferenceError: _failure(400),
    Unauthorised: _failure(401, www_authenticate="Bearer"),
    UnknownModel: _failure(404),
    BodyTooSlow: _failure(408),
    BodyTooLarge: _failure(413),
    # Nobody reads it, but a caller who hung up must not be counted as an error of the service.
    ClientDisconnect: _failure(499),
    NoNumber: _failure(500),
    NotReady: _failure(503),
}
