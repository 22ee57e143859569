"""Connections on which a response leaves in one piece.

uvicorn writes the head of a response and then its body. On a socket these are two packets, which
wake the caller twice, the first time for nothing.
"""

import asyncio
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class Joining:
    """A transport that joins what is written to it in one turn of the event loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._write)
        self._waiting.append(data)

    def close(self) -> None:
        self._write()
        self._transport.close()

    def _write(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self._transport.write(b"".join(waiting))


class Connection(HttpToolsProtocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        joining = Joining(cast(asyncio.Transport, transport))
        super().connection_made(cast(asyncio.Transport, joining))
