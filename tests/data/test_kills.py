"""An ingest that is killed at any moment: afterwards the landing holds exactly the source's rows.

Parts and batches are made small, so that a kill finds some of them complete and others not.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import polars as pl
import pytest

from support.sources import SOURCES
from support.workplace import PATIENCE, Workplace, flights, install, landed

from .combinations import EVERYTHING, SEED
from .going import add_params

KINDS = ("files", "mariadb", "stream")
KILLS = 50 if EVERYTHING else 4
COPIES = 6
# What is replaced in the project: the rows of a part, and of a batch.
SMALL = {
    "parts.py": ("ROWS = 1_000_000", "ROWS = 6_000"),
    "sources/__init__.py": ("BATCH_ROWS = 100_000", "BATCH_ROWS = 3_000"),
}
MANIFEST = "data/landing/flights/manifest.json"
COLUMNS = ("flight_id", "dest", "distance", "dep_delay")

pytestmark = pytest.mark.xdist_group("kills")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("kills") / "my-poc"
    place = install(folder, ["data_sources=files,sql,stream"])
    for name, (usual, small) in SMALL.items():
        path = place.source() / name
        text = path.read_text(encoding="utf-8")
        assert text.count(usual) == 1
        path.write_text(text.replace(usual, small), encoding="utf-8")
    return place


@pytest.fixture(scope="module", params=KINDS)
def place(
    request: pytest.FixtureRequest, installed: Workplace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workplace]:
    """The project with a source that has many flights."""
    folder = tmp_path_factory.mktemp(request.param)
    place = installed.copy(folder / "my-poc")
    with ExitStack() as stack:
        source = stack.enter_context(SOURCES[request.param](place, folder / "source"))
        # How far files have been read is only known at the end of each.
        step = 6_000 if request.param == "files" else None
        for rows in many().iter_slices(step or many().height):
            source.add("flights", rows)
        add_params(place, {"sources": {"flights": source.options("flights")}})
        yield place


def many() -> pl.DataFrame:
    """The flights several times over, under other names and at other times."""
    copies = [
        flights().with_columns(pl.col("flight_id") + f"-{number}", _later(number))
        for number in range(COPIES)
    ]
    return pl.concat(copies)


def _later(number: int) -> pl.Expr:
    return pl.col("sched_dep") + pl.duration(days=366 * number)


def rows(table: pl.DataFrame) -> pl.DataFrame:
    return table.select(pl.col(COLUMNS).cast(pl.String)).sort(COLUMNS)


def test_a_killed_ingest_loses_and_doubles_nothing(
    place: Workplace, record_property: Callable[[str, object], None]
) -> None:
    expected = rows(many())
    seconds = lasts(place, expected.height)
    chance = random.Random(SEED)  # noqa: S311
    seen = []
    for _ in range(KILLS):
        shutil.rmtree(place.folder / "data/landing")
        moment = chance.uniform(0, seconds * 1.2)
        start_and_kill(place, moment)
        found = whole(place)
        seen.append(found.height)
        assert not found.is_duplicated().any(), moment
        assert found.join(expected, on=COLUMNS, how="anti", nulls_equal=True).height == 0, moment
        place.run("my-poc ingest")
        assert rows(landed(place, "flights")).equals(expected), moment
        assert list(place.folder.glob("data/landing/**/*.unfinished")) == []
    record_property("moments", f"within {seconds:.2f} s, landed {sorted(seen)}")
    assert any(0 < count < expected.height for count in seen), "no kill met a part of the rows"


def whole(place: Workplace) -> pl.DataFrame:
    """What has landed, if anything has."""
    if not (place.folder / MANIFEST).exists():
        return pl.DataFrame(schema=dict.fromkeys(COLUMNS, pl.String))
    return rows(landed(place, "flights"))


def lasts(place: Workplace, rows: int) -> float:
    """How many seconds an ingest writes, from the first file on; DVC's work comes after it."""
    process = start(place)
    begins = begun(place, process)
    manifest = place.folder / MANIFEST
    while process.poll() is None:
        if manifest.exists() and json.loads(manifest.read_text(encoding="utf-8"))["rows"] == rows:
            break
        time.sleep(0.005)
    seconds = time.monotonic() - begins
    assert process.wait(PATIENCE) == 0
    return seconds


def begun(place: Workplace, process: subprocess.Popen[bytes]) -> float:
    """When an ingest has begun to write."""
    while not (place.folder / "data/landing/flights").exists() and process.poll() is None:
        time.sleep(0.002)
    return time.monotonic()


def start(place: Workplace) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(place.venv / "bin"), "/usr/bin", "/bin"])
    return subprocess.Popen(
        ["my-poc", "ingest"],
        executable=place.venv / "bin/my-poc",
        cwd=place.folder,
        env={"HOME": os.environ["HOME"], "PATH": path, **place.environ()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def start_and_kill(place: Workplace, moment: float) -> None:
    """Kill an ingest, and what it has started, so many seconds after it began to write."""
    process = start(place)
    begun(place, process)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
