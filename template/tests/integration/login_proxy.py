"""What a Kafka broker that wants a password does, before one that wants none."""

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

# The requests of the protocol that come before a login is done, by their numbers.
SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
REFUSED = 58


@contextmanager
def before(servers: str, listener: socket.socket, user: str, password: str) -> Iterator[None]:
    """Lets whoever listens to ``listener`` through to the broker after a login (SASL PLAIN)."""
    login = f"\0{user}\0{password}".encode()
    host, _, port = servers.partition(":")

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                broker = socket.create_connection((host, int(port)))
                threading.Thread(target=_connect, args=(client, broker, login), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _connect(client: socket.socket, broker: socket.socket, login: bytes) -> None:
    with client, broker, suppress(OSError, EOFError):
        if _let_in(client, broker, login):
            threading.Thread(target=_pump, args=(broker, client), daemon=True).start()
            _pump(client, broker)


def _let_in(client: socket.socket, broker: socket.socket, login: bytes) -> bool:
    while True:
        request = _receive(client)
        number, version, correlation = struct.unpack(">hhi", request[:8])
        if number == API_VERSIONS:
            _send(broker, request)
            _send(client, _receive(broker))
        elif number == SASL_HANDSHAKE:
            _send(client, struct.pack(">ihi", correlation, 0, 1) + struct.pack(">h5s", 5, b"PLAIN"))
        elif number == SASL_AUTHENTICATE:
            known = request.endswith(login)
            # An error, no message, no bytes; from version 1 on also how long it holds.
            answer = struct.pack(">ihhi", correlation, 0 if known else REFUSED, -1, 0)
            _send(client, answer + (struct.pack(">q", 0) if version else b""))
            if known:
                return True
        else:
            return False


def _send(to: socket.socket, frame: bytes) -> None:
    to.sendall(struct.pack(">i", len(frame)) + frame)


def _receive(origin: socket.socket) -> bytes:
    (size,) = struct.unpack(">i", _exactly(origin, 4))
    return _exactly(origin, size)


def _exactly(origin: socket.socket, size: int) -> bytes:
    content = b""
    while len(content) < size:
        piece = origin.recv(size - len(content))
        if not piece:
            raise EOFError
        content += piece
    return content


def _pump(origin: socket.socket, to: socket.socket) -> None:
    with suppress(OSError):
        while piece := origin.recv(65536):
            to.sendall(piece)
        to.shutdown(socket.SHUT_WR)
