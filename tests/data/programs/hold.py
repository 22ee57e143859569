"""Hold a server open that an emitted project tests itself with: `hold.py NAME FOLDER`.

Run by the project's own Python, in the project's folder. Says in one line of JSON where the project
finds the server. Each further line is for the server, and is answered; it ends with the input.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

TOPIC = "flights"


def server(name: str) -> Any:
    return import_module(f"tests.integration.{name}")


@contextmanager
def bucket(scheme: str) -> Iterator[Any]:
    with server("bucket_server").SERVERS[scheme]() as environment:
        yield environment


@contextmanager
def sql(folder: Path) -> Iterator[Any]:
    with server("sql_server").running() as url:
        yield {"SQL_URL": url.render_as_string(hide_password=False)}


@contextmanager
def stream(folder: Path) -> Iterator[Any]:
    from confluent_kafka.admin import AdminClient, NewTopic

    with server("stream_server").tansu() as servers:
        admin = AdminClient({"bootstrap.servers": servers})
        admin.create_topics([NewTopic(TOPIC, 2, 1)])[TOPIC].result(30)
        yield {"BROKERS": servers}


@contextmanager
def bigquery(folder: Path) -> Iterator[Any]:
    with server("warehouse_server").running(folder) as environment:
        # Google's client would look outside for where a service account may be used.
        yield environment | {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}


@contextmanager
def snowflake(folder: Path) -> Iterator[Any]:
    module = server("warehouse_server")
    with module.running(folder) as port:
        yield {"SNOWFLAKE_CONNECTIONS": module.connections(default=port)}


@contextmanager
def rest(folder: Path) -> Iterator[Any]:
    """An API that can be told its rows, in a file, and how its next answers fail."""
    module = server("rest_server")
    with module.running() as api:
        api.page_size = 1000

        def tell(told: dict[str, Any]) -> dict[str, int]:
            left = len(api.failures)
            api.rows = json.loads(Path(told["rows"]).read_text(encoding="utf-8"))
            api.failures += told["failures"]
            return {"left": left}

        environment = {"API_URL": api.url, "API_TOKEN": module.TOKEN, "NO_PROXY": "127.0.0.1"}
        yield environment, tell


SERVERS = {
    "sql": sql,
    "stream": stream,
    "bigquery": bigquery,
    "snowflake": snowflake,
    "rest": rest,
}


def main(name: str, folder: str) -> None:
    sys.path.insert(0, "")
    # What a server's own programs print is no answer.
    sys.stdout = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    known = SERVERS[name](Path(folder)) if name in SERVERS else bucket(name)
    with known as found:
        environment, tell = found if isinstance(found, tuple) else (found, None)
        print(json.dumps(environment), flush=True)
        for line in sys.stdin:
            print(json.dumps(tell(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
