"""A disk that is full while rows land: what is complete stays, and the next ingest goes on.

The disk is a small one of its own, and mounting it wants root.
"""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.workplace import Workplace, flights, install, landed

FILES = 12
SMALL = ("ROWS = 1_000_000", "ROWS = 1_000")
ROOM = {"full": "192k", "enough": "64m"}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Workplace]:
    """A project of many files, whose landing is on a disk for some of them."""
    place = install(tmp_path / "my-poc", ["data_sources=files"], group="dev")
    parts = place.source() / "parts.py"
    text = parts.read_text(encoding="utf-8")
    assert text.count(SMALL[0]) == 1
    parts.write_text(text.replace(*SMALL), encoding="utf-8")
    (tmp_path / "arriving").mkdir()
    for number, rows in enumerate(flights().iter_slices(flights().height // FILES + 1)):
        rows.write_parquet(tmp_path / f"arriving/{number:02}.parquet")
    landing = place.folder / "data/landing"
    landing.mkdir()
    mount("-t", "tmpfs", "-o", f"size={ROOM['full']}", "dayone", str(landing))
    yield place
    subprocess.run(["umount", str(landing)], check=True)


def mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def test_what_was_complete_stays_and_the_rest_follows(place: Workplace, tmp_path: Path) -> None:
    source = {"DATA_SOURCE": str(tmp_path / "arriving/*.parquet")}
    said = place.run("my-poc ingest", 1, **source)
    assert re.search(r"^Error: .*No space left on device; the parts that were", said, re.MULTILINE)
    some = landed(place, "flights")["flight_id"]
    assert 0 < some.len() < flights().height
    assert not some.is_duplicated().any()
    assert place.run("my-poc ingest", 1, **source).count("No space left") == 1
    assert landed(place, "flights")["flight_id"].equals(some)
    mount("-o", f"remount,size={ROOM['enough']}", str(place.folder / "data/landing"))
    place.run("my-poc ingest", **source)
    assert landed(place, "flights").sort("flight_id").equals(flights().sort("flight_id"))
