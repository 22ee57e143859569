"""DuckDB in a bounded part of the memory; what does not fit in goes to var/duckdb."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import duckdb

SPILL = Path("var/duckdb")
MEMORY = "1GB"
# Each thread sorts and counts in a share of the memory.
MOST_THREADS = 4


@contextmanager
def connect() -> Iterator[duckdb.DuckDBPyConnection]:
    SPILL.mkdir(parents=True, exist_ok=True)
    folder = mkdtemp(dir=SPILL)
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    try:
        with duckdb.connect(
            config={"memory_limit": MEMORY, "temp_directory": folder, "threads": threads}
        ) as connection:
            yield connection
    finally:
        shutil.rmtree(folder, ignore_errors=True)
