"""What every request goes through: its id, its body's limit, its place in the metrics."""

import re
import time
import uuid

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics

MAX_BODY = 1024 * 1024
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")


class BodyTooLarge(Exception):
    """The body is longer than one request may be."""

    def __init__(self) -> None:
        super().__init__(f"the body is longer than {MAX_BODY:,} bytes")


async def read_body(request: Request) -> bytes:
    """The body, of which never more than the limit is held; raise BodyTooLarge."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise BodyTooLarge
    return bytes(body)


def request_id(request: Request, id: str | None = None) -> str:
    """The caller's id for this request if it is short and plain, else a new one."""
    given = id or request.headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


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
