"""Clouds and sources together: what a project ingests, trains, pushes, pulls and predicts.

The tests of one combination go on where the one before has ended.
"""

import hashlib
import json
import re
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from support.workplace import Workplace, landed

from .contents import holds
from .going import LATER, PARTNERS, SENSITIVE, Going

VERSIONED = ("data/landing", "data/valid", "data/prepared", "models")
VALID = "data/valid/flights.parquet"


def digests(place: Workplace) -> dict[str, str]:
    """The sha256 of each file that DVC versions."""
    files = (path for name in VERSIONED for path in (place.folder / name).rglob("*"))
    return {
        str(path.relative_to(place.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and path.name != ".gitignore"
    }


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_only_what_is_new_lands(going: Going) -> None:
    place, rows = going.place, going.arrived.height
    first = rows - LATER
    said = place.run("my-poc ingest")
    assert f"flights: {first:,} rows, {first:,} of them landed now" in said
    said = place.run("my-poc ingest")
    assert f"flights: {first:,} rows, has landed before, nothing new" in said
    going.sources["flights"].add("flights", going.arrived[-LATER:])
    said = place.run("my-poc ingest")
    assert f"flights: {rows:,} rows, {LATER:,} of them landed now" in said
    ids = landed(place, "flights")["flight_id"].sort()
    assert ids.equals(going.arrived["flight_id"].sort())


def test_a_model_learns_from_it(going: Going) -> None:
    """From the rows of the source, each with the types of the contract; joined where it says so."""
    going.place.run("dvc repro")
    valid = pl.read_parquet(going.place.folder / VALID)
    arrived = going.arrived.select(valid.columns)
    assert_frame_equal(valid.sort("flight_id"), arrived.sort("flight_id"))
    known = arrived.filter(pl.col("late").is_not_null())
    if "carriers" in going.sources:
        known = known.filter(pl.col("carrier").is_in(PARTNERS))
    prepared = files(going.place.folder / "data/prepared")
    assert sum(pl.read_parquet(path).height for path in prepared) == known.height


def test_a_colleague_gets_all_from_the_store(going: Going) -> None:
    place = going.place
    place.run(f"my-poc use-store {going.store.words}")
    if going.home:
        place.run(f"my-poc use-store --own {going.home.words}")
    going.commit("Keep it in the store")
    assert "is the champion" in place.run("my-poc register")
    going.commit("The first champion")
    place.run("dvc push")
    other = going.colleague()
    assert digests(other) == {}
    other.run("dvc pull")
    assert digests(other) == digests(place)


def test_the_champion_of_the_store_predicts(going: Going) -> None:
    other = going.colleague()
    other.run(f"dvc pull {VALID}")
    line = f"my-poc score {VALID} --output predictions.parquet"
    other.run(line)
    predictions = pl.read_parquet(other.folder / "predictions.parquet")
    assert predictions.height == going.arrived.height
    # What was predicted is logged beside the model, and nothing is kept here.
    kept = (going.home or going.store).fetch(going.folder / "kept")
    assert list(kept.glob("**/predictions/**/*.jsonl.gz"))
    assert not (other.folder / "storage").exists()
    for sink in going.sinks(other, predictions):
        written = going.write_back(other, line, sink)
        assert written["predicted_by"].null_count() == 0
        same = written.select(predictions.columns).cast(dict(predictions.schema))
        assert_frame_equal(same, predictions, check_row_order=False)
    if "labels" in going.sources:
        going.add_labels(going.arrived[-LATER:])
        said = other.run("my-poc ingest labels")
        assert f"labels: {LATER + 1:,} rows, {LATER + 1:,} of them landed now" in said
        seen = json.loads(other.run("my-poc observe --json 2> /dev/null || [ $? = 3 ]"))
        assert 0 < seen["labels"]["matched"] <= LATER + 1


def test_data_is_where_it_may_be(going: Going) -> None:
    """In the store; of a hybrid project at home, and in the cloud when nothing is sensitive."""
    values = set(going.arrived[SENSITIVE].drop_nulls())
    assert holds((going.home or going.store).fetch(going.folder / "there"), values)
    if going.home:
        going.place.run("dvc push --remote cloud")
        assert files(going.store.fetch(going.folder / "in-cloud")) == []
        going.classify(False)
        going.place.run(f"my-poc use-store {going.store.words}")
        going.place.run("my-poc ingest && dvc push")
        assert holds(going.store.fetch(going.folder / "in-cloud-now"), values)


def test_own_integration_tests_pass(going: Going) -> None:
    """With the database of the combination, where it is another than the project's own."""
    known = going.place.environment
    own = {"PATH": known["PATH"]} if "PATH" in known else {}
    if "mariadb" in going.combination.sources.values():
        own["SQL_TEST_URL"] = known["SQL_TEST_URL"]
    said = Workplace(going.place.folder, going.place.venv, own).run("nox -s integration")
    assert re.search(r"\d+ passed", said)
    assert not re.search(r"\d+ (skipped|xfailed|deselected)", said), said[-3000:]
