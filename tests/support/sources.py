"""Real servers of each kind of data source, which a test fills and a project reads.

    with SOURCES["postgres"](place, folder) as source:
        source.add("flights", table)
        params["sources"] = {"flights": source.options("flights")}

While a source is open, the environment of its place says where it is.
"""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from support.monitoring import free_port
from support.workplace import PATIENCE, Workplace, end, held

PASSWORD = "s3cret-Pa:ss"  # noqa: S105
CURSOR = {"cursor": "sched_dep"}


class Source(NamedTuple):
    """``options`` is what params.yaml says of a dataset there, ``add`` brings rows to it."""

    options: Callable[[str], dict[str, Any]]
    add: Callable[[str, pl.DataFrame], None]


@contextmanager
def files(place: Workplace, folder: Path) -> Iterator[Source]:
    """Compressed CSV in a folder of this machine; a file for each time that rows are added."""
    folder.mkdir()

    def add(dataset: str, rows: pl.DataFrame) -> None:
        (folder / dataset).mkdir(exist_ok=True)
        number = len(list((folder / dataset).iterdir()))
        rows.write_csv(folder / dataset / f"{number}.csv.gz", compression="gzip")

    def options(dataset: str) -> dict[str, Any]:
        return {"kind": "files", "path": str(folder / dataset / "*.csv.gz")}

    yield Source(options, add)


@contextmanager
def object_store(place: Workplace, folder: Path) -> Iterator[Source]:
    """Parquet in the bucket that the project also keeps its models in."""
    folder.mkdir()
    url = f"{place.environment['BUCKET']}/arriving"

    def options(dataset: str) -> dict[str, Any]:
        return {"kind": "object_store", "url": f"{url}/{dataset}/*.parquet"}

    fill = _filling(place, folder, "object_store", lambda dataset: f"{url}/{dataset}")
    yield Source(options, fill)


@contextmanager
def postgres(place: Workplace, folder: Path) -> Iterator[Source]:
    with held(place, "sql", folder) as server:
        yield _sql(place, folder, server.environment)


@contextmanager
def mariadb(place: Workplace, folder: Path) -> Iterator[Source]:
    """Debian's MariaDB, for a user with a password."""
    with _mariadbd(folder) as url:
        # The project's own tests fill and clear a database.
        empty = url.removesuffix("project") + "empty"
        yield _sql(place, folder, {"SQL_URL": url, "SQL_TEST_URL": empty})


def _sql(place: Workplace, folder: Path, environment: dict[str, str]) -> Source:
    place.environment |= environment

    def options(dataset: str) -> dict[str, Any]:
        growing = CURSOR if dataset == "flights" else {}
        return {"kind": "sql", "url_from": "SQL_URL", "table": dataset, **growing}

    return Source(options, _filling(place, folder, "sql", lambda dataset: dataset))


@contextmanager
def _mariadbd(folder: Path) -> Iterator[str]:
    folder.mkdir()
    # The path of a socket may be no longer than this one.
    home = Path(tempfile.mkdtemp(prefix="mariadb-"))
    port = free_port()
    own = ["--no-defaults", f"--datadir={home}/data", "--user=root"]
    start = home / "start.sql"
    start.write_text(
        "CREATE DATABASE project CHARACTER SET utf8mb4;\n"
        "CREATE DATABASE empty CHARACTER SET utf8mb4;\n"
        f"CREATE USER project@localhost IDENTIFIED BY '{PASSWORD}';\n"
        "GRANT ALL ON *.* TO project@localhost;\n",
        encoding="utf-8",
    )
    with (folder / "log").open("wb") as log:
        install = ["mariadb-install-db", *own, "--auth-root-authentication-method=normal"]
        subprocess.run(install, stdout=log, stderr=log, check=True)
        sockets = [f"--socket={home}/socket", "--bind-address=127.0.0.1", f"--port={port}"]
        process = subprocess.Popen(
            ["/usr/sbin/mariadbd", *own, *sockets, f"--init-file={start}"],
            stdout=log,
            stderr=log,
            text=True,
        )
    try:
        limit = time.monotonic() + PATIENCE
        while "ready for connections" not in (folder / "log").read_text(encoding="utf-8"):
            assert process.poll() is None, (folder / "log").read_text(encoding="utf-8")[-3000:]
            assert time.monotonic() < limit, "MariaDB does not start"
            time.sleep(0.1)
        yield f"mariadb://project:{PASSWORD.replace(':', '%3A')}@localhost:{port}/project"
    finally:
        end(process)
        shutil.rmtree(home)


@contextmanager
def rest(place: Workplace, folder: Path) -> Iterator[Source]:
    """An API whose answers are, at first, too many requests, an error, and half an answer."""
    with held(place, "rest", folder) as server:
        place.environment |= server.environment
        rows: list[dict[str, Any]] = []

        def add(dataset: str, more: pl.DataFrame) -> None:
            # The API asks for what is new by a column of its own.
            changed = more.with_columns(changed=pl.col("sched_dep").dt.to_string("iso:strict"))
            rows.extend(json.loads(changed.write_json()))
            (folder / "rows.json").write_text(json.dumps(rows), encoding="utf-8")
            wait = {"Retry-After": "1"}
            failures = [[429, {}, wait], [500, {}], "cut"]
            said = server.tell(rows=str(folder / "rows.json"), failures=failures)
            # The failures of the last time were met.
            assert said["left"] == 0

        def options(dataset: str) -> dict[str, Any]:
            own = {"pages": "link", "since_field": "changed", "token_from": "API_TOKEN"}
            return {"kind": "rest", "url": server.environment["API_URL"] + "/link", **own}

        yield Source(options, add)


@contextmanager
def stream(place: Workplace, folder: Path) -> Iterator[Source]:
    """Two partitions of a topic, with messages of JSON."""
    with held(place, "stream", folder) as server:
        place.environment |= server.environment
        servers = server.environment["BROKERS"]

        def options(dataset: str) -> dict[str, Any]:
            return {"kind": "stream", "servers": servers, "topic": dataset}

        yield Source(options, _filling(place, folder, "stream", lambda dataset: dataset))


@contextmanager
def _warehouse(place: Workplace, folder: Path, kind: str) -> Iterator[Source]:
    with held(place, kind, folder) as server:
        place.environment |= server.environment

        def options(dataset: str) -> dict[str, Any]:
            key = {"key": ["flight_id"]}
            return {"kind": "warehouse", "table": f"d.{dataset}", **CURSOR, **key}

        yield Source(options, _filling(place, folder, kind, lambda dataset: f"d.{dataset}"))


def _filling(
    place: Workplace, folder: Path, kind: str, name: Callable[[str], str]
) -> Callable[[str, pl.DataFrame], None]:
    """Rows are brought by a program that has the client for this kind."""

    def add(dataset: str, rows: pl.DataFrame) -> None:
        number = len(list(folder.glob("rows-*.parquet")))
        rows.write_parquet(folder / f"rows-{number}.parquet")
        place.program("fill.py", kind, name(dataset), folder / f"rows-{number}.parquet")

    return add


SOURCES: dict[str, Callable[[Workplace, Path], AbstractContextManager[Source]]] = {
    "files": files,
    "object_store": object_store,
    "postgres": postgres,
    "mariadb": mariadb,
    "rest": rest,
    "stream": stream,
    "bigquery": partial(_warehouse, kind="bigquery"),
    "snowflake": partial(_warehouse, kind="snowflake"),
}
