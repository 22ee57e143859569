"""A JSON API on a free port of this machine, that can be told to fail."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "s3cret-token"


class Api(ThreadingHTTPServer):
    """Serves ``rows`` in pages at /link, /cursor, /next, /number and /all, and takes POSTs.

    ``failures`` are used up, one for each request: a status, headers and a body; or "cut", which
    closes the connection in the middle of the answer. /all knows of no ``since``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.rows: list[dict[str, Any]] = []
        self.page_size = 3
        self.failures: list[Any] = []
        self.requests: list[str] = []
        self.posted: dict[str, list[dict[str, Any]]] = {}

    def handle_error(self, *_: Any) -> None:
        """A client that has gone is no fault of a test."""


class Handler(BaseHTTPRequestHandler):
    server: Api
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self._refused():
            return
        url = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        rows = self.server.rows
        if "since" in query:
            # As many APIs do, the newest first.
            rows = [row for row in reversed(rows) if str(row["changed"]) >= query["since"]]
        page, size = int(query.get("page", "1")), self.server.page_size
        part = rows[(page - 1) * size : page * size]
        query["page"] = str(page + 1)
        onward = "&".join(f"{name}={value}" for name, value in query.items())
        following = f"{self.server.url}{url.path}?{onward}" if page * size < len(rows) else None
        match url.path:
            case "/all":
                self._answer(200, self.server.rows)
            case "/link":
                headers = {"Link": f'<{following}>; rel="next"'} if following else {}
                self._answer(200, part, headers)
            case "/next":
                self._answer(200, {"data": {"items": part}, "next": following})
            case "/cursor":
                cursor = page + 1 if following else None
                self._answer(200, {"items": part, "meta": {"next": cursor}})
            case "/number":
                self._answer(200, {"items": part})
            case "/stuck":
                self._answer(200, rows)
            case "/elsewhere":
                self._answer(200, part, {"Link": '<http://localhost:9/x>; rel="next"'})
            case "/nowhere":
                self._answer(200, part, {"Link": '<http://127.0.0.1:port/>; rel="next"'})
            case "/moved":
                self._answer(301, [], {"Location": "/all"})
            case _:
                self._answer(404, {"error": "no such thing"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.setdefault(self.headers["Idempotency-Key"], json.loads(body))
        if not self._refused():
            self._answer(201, {})

    def _refused(self) -> bool:
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._answer(401, {"error": f"not {self.headers.get('Authorization')}"})
        elif not self.server.failures:
            return False
        else:
            failure = self.server.failures.pop(0)
            if failure == "cut":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{")
                self.close_connection = True
            else:
                self._answer(*failure)
        return True

    def _answer(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing on the terminal."""


@contextmanager
def running() -> Iterator[Api]:
    server = Api()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
