"""Tables of Postgres, MySQL and MariaDB.

The database is an SQLAlchemy URL, like postgresql://user:password@host/database, in an environment
variable. Rows come through a cursor on the server, so that memory holds one or two batches, and
those of one reading are of one moment, for it is one statement. What a cursor column, key and
lookback promise is said in growing.py.
"""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import polars as pl
import sqlalchemy as sa
from pymysql.constants import CR, ER
from sqlalchemy.dialects import mysql, postgresql

from . import BATCH_ROWS, Batch, Position, Reading, SourceError, growing, hidden, secret, sql_types

# The database, the driver, and what the driver is told.
DRIVERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "postgres": ("postgresql", "psycopg", {}),
    "postgresql": ("postgresql", "psycopg", {}),
    "mysql": ("mysql", "pymysql", {"init_command": "SET time_zone = '+00:00'"}),
    "mariadb": ("mysql", "pymysql", {"init_command": "SET time_zone = '+00:00'"}),
}
CONNECT_SECONDS = 10
ATTEMPTS = 3
# What MySQL answers, or its driver says, when it may be otherwise in a moment.
PASSING = {
    CR.CR_CONN_HOST_ERROR,
    CR.CR_SERVER_GONE_ERROR,
    CR.CR_SERVER_LOST,
    ER.CON_COUNT_ERROR,
}


class Options(growing.Options):
    """A table or query of the database whose URL is in the environment variable ``url_from``.

    ``key`` is the table's primary key unless it is given.
    """

    url_from: str


def read(options: Options, after: Position | None) -> Reading:
    """What is new since a position; without a cursor everything, anew."""
    return Reading(_batches(options, after), growing.anew(options, after))


def write(options: Options, table: pl.DataFrame, key: list[str]) -> None:
    """Insert rows into the table, or replace those of the same key: all of them, or none.

    The table has the columns, and a primary key or unique index of exactly the key's columns.
    """
    growing.check_written(options, table, key)
    with _connected(options) as connection:
        statement = _upsert(connection, options, table.columns, key)
        for rows in table.iter_slices(BATCH_ROWS):
            connection.execute(statement, rows.to_dicts())
        connection.commit()


def _batches(options: Options, after: Position | None) -> Iterator[Batch]:
    start = growing.line(options, after)
    with _connected(options) as connection:
        key = list(options.key) or (start.key if start else _primary_key(connection, options))
        result = connection.execution_options(yield_per=BATCH_ROWS).execute(
            _statement(options, key, start)
        )
        yield from growing.batches(_frames(result), options, key, after)


def _frames(result: sa.CursorResult[Any]) -> Iterator[pl.DataFrame]:
    database = result.context.dialect.name
    description = result.cursor.description
    for rows in result.partitions():
        yield sql_types.frame(rows, description, database)


def _statement(options: Options, key: list[str], start: growing.Line | None) -> sa.Select[Any]:
    source: sa.FromClause | sa.TextClause
    if options.query:
        query = options.query.strip().rstrip(";").replace(":", r"\:")
        source = sa.text(f"({query}\n) AS source")
    else:
        source = _table(options)
    statement = sa.select(sa.text("*")).select_from(source)
    if options.cursor:
        cursor: sa.ColumnClause[Any] = sa.column(options.cursor)
        if start:
            statement = statement.where(sa.or_(cursor >= start.low, cursor.is_(None)))
        statement = statement.order_by(cursor)
    return statement.order_by(*map(sa.column, key))


def _table(options: Options, *columns: str) -> sa.TableClause:
    schema, _, name = str(options.table).rpartition(".")
    return sa.table(name, *map(sa.column, columns), schema=schema or None)


def _primary_key(connection: sa.Connection, options: Options) -> list[str]:
    if options.query:
        return []
    table = _table(options)
    found = sa.inspect(connection).get_pk_constraint(table.name, table.schema)
    return found["constrained_columns"]


def _upsert(connection: sa.Connection, options: Options, columns: list[str], key: list[str]) -> Any:
    table = _table(options, *columns)
    inspector = sa.inspect(connection)
    unique = [inspector.get_pk_constraint(table.name, table.schema)["constrained_columns"]]
    for index in inspector.get_indexes(table.name, table.schema):
        if index["unique"]:
            unique.append([name for name in index["column_names"] if name])
    if not any(set(names) == set(key) for names in unique):
        raise SourceError(
            f"{options.name} has neither a primary key nor a unique index of {', '.join(key)}, so "
            "that rows could not be replaced: create one"
        )
    changed = [name for name in columns if name not in key] or key
    if connection.dialect.name == "postgresql":
        insert = postgresql.insert(table)
        return insert.on_conflict_do_update(
            index_elements=key, set_={name: insert.excluded[name] for name in changed}
        )
    replace = mysql.insert(table)
    return replace.on_duplicate_key_update({name: replace.inserted[name] for name in changed})


@contextmanager
def _connected(options: Options) -> Iterator[sa.Connection]:
    """A connection; what goes wrong on it becomes a SourceError that shows no password."""
    try:
        url = sa.make_url(secret(options.url_from))
        database, driver, said = DRIVERS[url.get_backend_name()]
    except (sa.exc.ArgumentError, KeyError, ValueError):
        raise SourceError(
            f"{options.url_from} is no URL of a Postgres, MySQL or MariaDB database, like "
            "postgresql://user:password@host:5432/database"
        ) from None
    engine = sa.create_engine(
        url.set(drivername=f"{database}+{driver}"),
        connect_args={"connect_timeout": CONNECT_SECONDS, **said},
        poolclass=sa.NullPool,
    )
    try:
        with _connect(engine) as connection:
            yield connection
    except sa.exc.NoSuchTableError:
        raise SourceError(f"{options.name} is not in the database of {options.url_from}") from None
    except sa.exc.SQLAlchemyError as error:
        reason = hidden(getattr(error, "orig", None) or error, str(url.password or ""))
        raise SourceError(
            f"{options.name} in the database of {options.url_from}: {reason}"
        ) from None


def _connect(engine: sa.Engine) -> sa.Connection:
    for attempt in range(1, ATTEMPTS):
        try:
            return engine.connect()
        except sa.exc.OperationalError as error:
            if not _passes(error):
                raise
            time.sleep(attempt * (1 + random.random()))
    return engine.connect()


def _passes(error: sa.exc.OperationalError) -> bool:
    """Whether the server was not reached, or has no room at the moment."""
    said = error.orig.args[0] if error.orig else ""
    if isinstance(said, int):
        return said in PASSING
    return "FATAL" not in said or "too many" in said or "starting up" in said
