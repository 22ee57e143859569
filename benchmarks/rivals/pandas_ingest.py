"""What `ingest` does to a file of flights, with pandas: `python pandas_ingest.py SOURCE DEST`.

The types of a CSV are found while it is read; the project leaves that to `validate`.
"""

import hashlib
import sys
from pathlib import Path

import pandas as pd

source, dest = map(Path, sys.argv[1:])
if source.suffix == ".csv":
    rows = pd.read_csv(source, parse_dates=["sched_dep"])
else:
    rows = pd.read_parquet(source)
rows.to_parquet(dest, compression="zstd")
for path in (source, dest):
    with path.open("rb") as file:
        print(hashlib.file_digest(file, "sha256").hexdigest())
