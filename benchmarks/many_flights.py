"""The sample of flights as many rows: `python many_flights.py SAMPLE ROWS DEST.parquet DEST.csv`.

The sample is repeated. Each copy has ids and minutes of its own, and numbers a little beside those
of the others; all copies are of the same year, so that no part of the file is of one time.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.csv
import pyarrow.parquet as pq

COPIES = 16  # in one piece
JITTER = {"temp": 1.0, "wind_speed": 0.5, "pressure": 0.5}


def main() -> None:
    sample = pl.read_parquet(sys.argv[1])
    rows, dest, text = int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    rng = np.random.default_rng(rows)
    schema = sample.to_arrow().schema
    with (
        pq.ParquetWriter(dest, schema, compression="zstd") as table,
        pyarrow.csv.CSVWriter(text, schema) as lines,
    ):
        for first in range(0, rows, sample.height * COPIES):
            copies = -(-min(rows - first, sample.height * COPIES) // sample.height)
            ids = range(first // sample.height, first // sample.height + copies)
            pieces = pl.concat([copy(sample, number, rng) for number in ids])
            piece = pieces.head(rows - first).to_arrow().cast(schema)
            table.write_table(piece)
            lines.write_table(piece)


def copy(sample: pl.DataFrame, number: int, rng: np.random.Generator) -> pl.DataFrame:
    minutes = pl.Series(rng.integers(-180, 181, sample.height))
    later = pl.Series(rng.integers(-3, 4, sample.height))
    return sample.with_columns(
        pl.col("flight_id") + f"-{number}",
        pl.col("sched_dep") + pl.duration(minutes=minutes),
        pl.col("dep_delay", "arr_delay") + later,
        *(
            (pl.col(name) + pl.Series(rng.normal(0, width, sample.height)).round(2)).clip(0)
            for name, width in JITTER.items()
        ),
    ).with_columns(late=pl.col("arr_delay") >= 15)


if __name__ == "__main__":
    main()
