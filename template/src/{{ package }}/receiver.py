"""Takes alerts from Alertmanager, and starts `retrain` when one asks for it.

Alertmanager posts to /alerts (webhook, version 4), and its always firing Watchdog to /heartbeat:
when that stays away, nobody would be told of anything, and /healthz says so.
"""

import asyncio
import contextlib
import hmac
import logging
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Annotated, Any, Literal

import prometheus_client as prometheus
import uvicorn
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field, ValidationError
from starlette.requests import ClientDisconnect

from .errors import ProjectError
from .retrainer import COMMAND, Retrainer
from .settings import RETRAIN, Settings

log = logging.getLogger(__name__)

MAX_BODY = 1024 * 1024
LOOK_SECONDS = 1.0
# Open requests may take this long after a stop.
GRACE_SECONDS = 2
REQUESTS = ("accepted", "duplicate", "rate_limited", "unauthorised", "invalid")
BEARER = HTTPBearer(auto_error=False)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]


class Alert(BaseModel):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    starts_at: str = Field(alias="startsAt")

    @property
    def asks(self) -> bool:
        return self.status == "firing" and self.labels.get("action") == "retrain"


class Notification(BaseModel):
    """What Alertmanager says of one group of alerts."""

    version: Literal["4"]
    group_key: str = Field(alias="groupKey")
    alerts: list[Alert]


class Refused(Exception):
    """A request that is not taken, with the status of its answer."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Figures(Collector):
    """What Prometheus reads, taken from the state so that a restart forgets none of it."""

    def __init__(self, retrainer: Retrainer) -> None:
        self._retrainer = retrainer

    def collect(self) -> Iterator[Metric]:
        running = self._retrainer.is_running()
        state = self._retrainer.state
        runs = CounterMetricFamily("retrain_runs", "Retrainings by outcome", labels=["outcome"])
        for outcome, count in state.runs.items():
            runs.add_metric([outcome], count)
        yield runs
        yield _gauge("retrain_running", "1 while a retraining runs", float(running))
        if state.last_run is not None:
            yield _gauge("retrain_last_run_timestamp_seconds", "End of the last", state.last_run)
            yield _gauge(
                "retrain_last_success_timestamp_seconds",
                "End of the last that was promoted or found nothing new, 0 for none",
                state.last_success,
            )
        if state.heartbeat is not None:
            yield _gauge(
                "heartbeat_last_timestamp_seconds", "When monitoring last spoke", state.heartbeat
            )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)


def create_app(settings: Settings, command: Sequence[str] = COMMAND) -> FastAPI:
    """The receiver; raise ProjectError when there is no token that callers could show."""
    token = read_token(settings)
    started = time.time()
    retrainer = Retrainer(RETRAIN, settings.retrain_min_seconds, command)
    registry = CollectorRegistry()
    registry.register(Figures(retrainer))
    prometheus.disable_created_metrics()  # type: ignore[no-untyped-call]
    requests = Counter(
        "retrain_requests", "Requests for a retraining", ["result"], registry=registry
    )
    for result in REQUESTS:
        requests.labels(result)  # shown as 0 before the first one

    def check_token(credentials: Credentials) -> None:
        given = credentials.credentials if credentials else ""
        if not hmac.compare_digest(given.encode("utf-8", "replace"), token):
            requests.labels("unauthorised").inc()
            raise Refused(401, "authorization: Bearer with the token is needed")

    async def read_notification(request: Request) -> Notification:
        try:
            return Notification.model_validate_json(await _read_body(request))
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            raise Refused(422, problems) from None

    async def refuse(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        if error.status != 401:
            requests.labels("invalid").inc()
        headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
        return JSONResponse({"detail": error.detail}, error.status, headers)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(_look(retrainer))
        yield
        looking.cancel()
        await asyncio.to_thread(retrainer.stop)

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(Refused, refuse)
    guarded = [Depends(check_token)]

    @app.post("/alerts", dependencies=guarded)
    async def alerts(request: Request) -> Response:
        notification = await read_notification(request)
        asking = [alert for alert in notification.alerts if alert.asks]
        if not asking:
            return JSONResponse({"result": "ignored", "detail": "no alert here asks to retrain"})
        reason = ", ".join(sorted({_name(alert) for alert in asking}))
        keys = [f"{notification.group_key}\n{alert.starts_at}" for alert in asking]
        try:
            result = retrainer.ask(keys, reason)
        except OSError as error:
            log.error("no retraining could be started: %s", error)
            return JSONResponse({"detail": f"no retraining could be started: {error}"}, 503)
        requests.labels(result).inc()
        return JSONResponse(
            {"result": result, "reason": reason}, 202 if result == "accepted" else 200
        )

    @app.post("/heartbeat", dependencies=guarded)
    async def heartbeat() -> dict[str, bool]:
        retrainer.note_heartbeat()
        return {"noted": True}

    @app.get("/healthz")
    async def health() -> Response:
        heard = retrainer.state.heartbeat
        silent = time.time() - max(heard or 0, started)
        if heard is not None and silent > settings.heartbeat_seconds:
            detail = f"monitoring has said nothing for {silent:.0f} s: nobody would be alerted"
            return JSONResponse({"live": True, "detail": detail}, 503)
        return JSONResponse({"live": True})

    @app.get("/metrics")
    async def metrics() -> Response:
        text = prometheus.generate_latest(registry)
        return Response(text, media_type=prometheus.CONTENT_TYPE_LATEST)

    return app


def read_token(settings: Settings) -> bytes:
    """The token that callers must show; raise ProjectError when none is configured."""
    token = settings.retrain_token.get_secret_value() if settings.retrain_token else ""
    if settings.retrain_token_file is not None:
        try:
            token = settings.retrain_token_file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise ProjectError(f"RETRAIN_TOKEN_FILE cannot be read: {error}") from None
    if not token.strip():
        raise ProjectError(
            "without a token anybody could start a retraining: set RETRAIN_TOKEN, or "
            "RETRAIN_TOKEN_FILE to a file that holds it"
        )
    return token.strip().encode()


async def _look(retrainer: Retrainer) -> None:
    while True:
        retrainer.is_running()
        await asyncio.sleep(LOOK_SECONDS)


async def _read_body(request: Request) -> bytes:
    """The body, of which never more than the limit is held."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise Refused(413, f"the body is longer than {MAX_BODY:,} bytes")
    except ClientDisconnect:
        raise Refused(499, "the caller has gone") from None
    return bytes(body)


def _name(alert: Alert) -> str:
    """The alert's name as it may stand in a command and a log."""
    name = alert.labels.get("alertname", "")
    return "".join(letter for letter in name if letter.isprintable())[:100] or "unnamed alert"


def run(settings: Settings) -> None:
    """Receive until told to stop; raise ProjectError when it must not."""
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.retrain_port,
        access_log=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
