"""What happens to every request: it is counted, timed and, under overload, turned away."""

import time

from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .metrics import Metrics

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
PREDICT = "/predict"
INFER = "/v2/models/{name}/infer"
RETRY_SECONDS = 1
TURNED_AWAY = {
    route: JSONResponse(
        {key: "too many requests at once: try again later"},
        503,
        {"retry-after": str(RETRY_SECONDS)},
    )
    for route, key in ((PREDICT, "detail"), (INFER, "error"))
}


class Traffic:
    """Count and time requests, and admit no more predictions at once than a worker can hold.

    Waiting in line would make all answers late. Those that are turned away know at once, and can
    try again later or elsewhere. Health and metrics are always answered.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, max_in_flight: int) -> None:
        self._app = app
        self._metrics = metrics
        self._max_in_flight = max_in_flight
        self._admitted = 0

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
        asked = prediction_route(scope)
        admitted = asked is None or self._admitted < self._max_in_flight
        started = time.perf_counter()
        metrics.in_flight.inc()
        try:
            if asked is None:
                await self._app(scope, receive, note_status)
            elif admitted:
                await self._predict(scope, receive, note_status)
            else:
                metrics.shed.inc()
                await TURNED_AWAY[asked](scope, receive, note_status)
        finally:
            metrics.in_flight.dec()
            route = asked or _route(scope)
            method = scope["method"] if scope["method"] in METHODS else "other"
            metrics.requests.labels(route, method, str(status)).inc()
            if admitted:
                metrics.seconds.labels(route).observe(time.perf_counter() - started)

    async def _predict(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Those that came together are all counted here before the first of them is computed.
        self._admitted += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._admitted -= 1


def prediction_route(scope: Scope) -> str | None:
    """The route of a request for predictions, by its path: it is not matched to one yet."""
    path = scope["path"]
    if scope["method"] != "POST":
        return None
    if path == PREDICT:
        return PREDICT
    if path.startswith("/v2/models/") and path.endswith("/infer"):
        return INFER
    return None


def _route(scope: Scope) -> str:
    path: str = getattr(scope.get("route"), "path", "none")
    return path
