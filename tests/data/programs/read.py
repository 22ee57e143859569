"""Write a table of the project's database to a Parquet file: `read.py NAME FILE`."""

import os
import sys

import polars as pl
import sqlalchemy as sa


def main(name: str, file: str) -> None:
    url = sa.make_url(os.environ["SQL_URL"])
    driver = "postgresql+psycopg" if url.get_backend_name() == "postgresql" else "mysql+pymysql"
    engine = sa.create_engine(url.set(drivername=driver))
    with engine.connect() as connection:
        rows = sa.table(name)
        found = pl.read_database(sa.select(sa.text("*")).select_from(rows), connection)
    found.write_parquet(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
