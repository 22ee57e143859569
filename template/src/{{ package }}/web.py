"""HTTP requests that are sent again while that may help."""

import random
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

ATTEMPTS = 6
# Seconds before the second attempt, doubled before each further one.
FIRST_WAIT = 0.5
# A server that wants to be left alone for longer is given up.
LONGEST_WAIT = 300.0
TIMEOUT = 60.0
MAX_BYTES = 256 * 1024**2

PASSING = (429, 500, 502, 503, 504)


class WebError(Exception):
    """The message says how the server failed; ``status`` is that of its answer, if any came."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


def send(client: httpx.Client, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    """The answer to a request and its content; raise WebError when its status is not 2xx.

    Timeouts, cut connections, 429 and what a server in trouble answers are tried again after
    ever longer waits, and no sooner than Retry-After says, up to ATTEMPTS times in all.
    """
    for attempt in range(1, ATTEMPTS + 1):
        wait = FIRST_WAIT * 2 ** (attempt - 1) * random.uniform(0.5, 1.5)
        try:
            answer, content = _receive(client, request)
        except (httpx.TransportError, httpx.DecodingError) as error:
            failed = WebError(f"cannot be read: {str(error) or type(error).__name__}")
        else:
            if answer.is_success:
                return answer, content
            failed = WebError(_complaint(answer, content), answer.status_code)
            wait = max(wait, _retry_after(answer))
            if answer.status_code not in PASSING or wait > LONGEST_WAIT:
                raise failed
        if attempt < ATTEMPTS:
            time.sleep(wait)
    raise WebError(f"{failed} ({ATTEMPTS} attempts)", failed.status)


def _receive(client: httpx.Client, request: httpx.Request) -> tuple[httpx.Response, bytes]:
    """An answer that is read whole, unless it is too large to be held in memory."""
    answer = client.send(request, stream=True)
    content = bytearray()
    try:
        for piece in answer.iter_bytes():
            content += piece
            if len(content) > MAX_BYTES:
                raise WebError(f"answers more than {MAX_BYTES:,} bytes: ask for smaller pages")
    finally:
        answer.close()
    return answer, bytes(content)


def _complaint(answer: httpx.Response, content: bytes) -> str:
    later = answer.headers.get("Retry-After")
    wait = f", Retry-After {later}" if later else ""
    said = " ".join(content.decode("utf-8", "replace").split())
    return f"answers {answer.status_code} {answer.reason_phrase}{wait}{': ' if said else ''}{said}"


def _retry_after(answer: httpx.Response) -> float:
    """The seconds that an answer asks to wait, which it may also write as a date."""
    value = answer.headers.get("Retry-After", "")
    try:
        return float(value)
    except ValueError:
        pass
    try:
        return (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
    except (TypeError, ValueError):
        return 0.0
