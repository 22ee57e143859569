"""Bring the rows of a Parquet file to where a project reads them: `fill.py KIND NAME FILE`.

Run by the project's own Python, which has the client for its kind of source.
"""

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import polars as pl

# What a database calls the types of a table.
POLARS = {"String": "text", "Int64": "whole", "Float64": "number", "Boolean": "flag"}
WORDS = {
    "snowflake": {"text": "VARCHAR", "whole": "BIGINT", "number": "DOUBLE", "flag": "BOOLEAN"},
    "bigquery": {"text": "STRING", "whole": "INT64", "number": "FLOAT64", "flag": "BOOL"},
}


def object_store(name: str, table: pl.DataFrame, stem: str) -> None:
    """An object below the URL ``name``."""
    import fsspec

    with fsspec.open(f"{name}/{stem}.parquet", "wb") as file:
        table.write_parquet(file)


def sql(name: str, table: pl.DataFrame, stem: str) -> None:
    """Rows of a table whose first column is its key."""
    import sqlalchemy as sa

    url = sa.make_url(os.environ["SQL_URL"])
    driver = "postgresql+psycopg" if url.get_backend_name() == "postgresql" else "mysql+pymysql"
    types = {"text": sa.String(64), "whole": sa.BigInteger(), "number": sa.Double()}
    types |= {"flag": sa.Boolean(), "time": sa.DateTime()}
    columns = [
        sa.Column(column, types[kind], primary_key=at == 0)
        for at, (column, kind) in enumerate(kinds(table).items())
    ]
    known = sa.Table(name, sa.MetaData(), *columns)
    engine = sa.create_engine(url.set(drivername=driver))
    with engine.begin() as connection:
        known.create(connection, checkfirst=True)
        for rows in table.iter_slices(10_000):
            connection.execute(known.insert(), rows.to_dicts())
    engine.dispose()


def stream(name: str, table: pl.DataFrame, stem: str) -> None:
    """Messages of JSON; the broker tells the end of a topic right only if each is sent alone."""
    sys.path.insert(0, "")
    from tests.integration import stream_server

    for rows in table.iter_slices(2_000):
        values = [json.dumps(row, default=str).encode() for row in rows.to_dicts()]
        stream_server.send_alone(os.environ["BROKERS"], name, values)


def bigquery(name: str, table: pl.DataFrame, stem: str) -> None:
    from google.cloud import bigquery

    with bigquery.Client() as client:
        client.create_dataset(name.partition(".")[0], exists_ok=True)
        words = WORDS["bigquery"] | {"time": "DATETIME"}
        client.query(create(name, table, words)).result()
        for rows in table.iter_slices(1000):
            client.query(insert(name, rows)).result()


def snowflake(name: str, table: pl.DataFrame, stem: str) -> None:
    import snowflake.connector

    with snowflake.connector.connect(connection_name="default") as connection:
        cursor = connection.cursor()
        cursor.execute("CREATE DATABASE IF NOT EXISTS project")
        cursor.execute(f"CREATE SCHEMA IF NOT EXISTS project.{name.partition('.')[0]}")
        cursor.execute(create(name, table, WORDS["snowflake"] | {"time": "TIMESTAMP_NTZ"}))
        # A statement that takes long is sent again, and its rows are there twice.
        for rows in table.iter_slices(200):
            cursor.execute(insert(name, rows))


def kinds(table: pl.DataFrame) -> dict[str, str]:
    return {column.name: POLARS.get(str(column.dtype), "time") for column in table}


def create(name: str, table: pl.DataFrame, words: dict[str, str]) -> str:
    columns = ", ".join(f"{column} {words[kind]}" for column, kind in kinds(table).items())
    return f"CREATE TABLE IF NOT EXISTS {name} ({columns})"


def insert(name: str, table: pl.DataFrame) -> str:
    rows = ", ".join(f"({', '.join(map(literal, row))})" for row in table.iter_rows())
    return f"INSERT INTO {name} ({', '.join(table.columns)}) VALUES {rows}"  # noqa: S608


def literal(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return "NULL" if value is None else repr(value).upper()
    text = str(value)
    if re.search(r"['\\]", text):
        raise ValueError(f"{text!r} would need to be quoted")
    return f"'{text}'"


FILLS = {
    "object_store": object_store,
    "sql": sql,
    "stream": stream,
    "bigquery": bigquery,
    "snowflake": snowflake,
}


def main(kind: str, name: str, file: str) -> None:
    FILLS[kind](name, pl.read_parquet(file), Path(file).stem)


if __name__ == "__main__":
    main(*sys.argv[1:])
