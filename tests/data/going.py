"""A combination in operation: its project, its servers, and what happens to them."""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from support.clouds import STORES, Store
from support.git import git
from support.sources import SOURCES, Source
from support.workplace import Workplace, flights

from .combinations import Combination

# The rows that arrive at the source when the others have landed.
LATER = 500
# The carriers whose flights count, where flights are joined to carriers.
PARTNERS = ("AA", "B6", "DL", "UA")
JOIN = """\
SELECT flights.*
FROM flights
JOIN carriers USING (carrier)
WHERE late IS NOT NULL AND carriers.partner
"""
CARRIERS = """\
apiVersion: v3.1.0
kind: DataContract
id: carriers
name: carriers
version: 1.0.0
status: active
schema:
  - name: carriers
    logicalType: object
    properties:
      - {name: carrier, logicalType: string, required: true, unique: true}
      - {name: partner, logicalType: boolean, required: true}
"""
# Of flights, what the contract of the hybrid project classifies.
SENSITIVE = "tailnum"
COLUMN = f"      - name: {SENSITIVE}\n"
CLASSIFIED = "        classification: confidential\n"


def add_params(place: Workplace, section: dict[str, Any]) -> None:
    path = place.folder / "params.yaml"
    text = path.read_text(encoding="utf-8") + "\n" + yaml.safe_dump(section)
    path.write_text(text, encoding="utf-8")


class Going:
    def __init__(self, place: Workplace, combination: Combination, folder: Path) -> None:
        self.place = place
        self.combination = combination
        self.folder = folder
        self.arrived = flights()
        self.store: Store
        # The store on own machines, of a hybrid project.
        self.home: Store | None = None
        self.sources: dict[str, Source] = {}

    def open(self, stack: ExitStack) -> None:
        """Start the servers, bring the first rows to the sources, and tell the project of them."""
        store = STORES[self.combination.store]
        self.store = stack.enter_context(store(self.place, self.folder / "store"))
        if self.combination.hybrid:
            home = STORES["folder"](self.place, self.folder / "home")
            self.home = stack.enter_context(home)
            self.classify(True)
        opened: dict[str, Source] = {}
        for dataset, kind in self.combination.sources.items():
            if kind not in opened:
                source = SOURCES[kind](self.place, self.folder / f"source-{kind}")
                opened[kind] = stack.enter_context(source)
            self.sources[dataset] = opened[kind]
        self.sources["flights"].add("flights", self.arrived[:-LATER])
        if "labels" in self.sources:
            self.add_labels(self.arrived[:1])
        if "carriers" in self.sources:
            self._join_carriers()
        said = {dataset: source.options(dataset) for dataset, source in self.sources.items()}
        add_params(self.place, {"sources": said})

    def _join_carriers(self) -> None:
        names = self.arrived.select(pl.col("carrier").unique().sort())
        known = names.with_columns(partner=pl.col("carrier").is_in(PARTNERS))
        self.sources["carriers"].add("carriers", known)
        contract = self.place.folder / "contracts/carriers.odcs.yaml"
        contract.write_text(CARRIERS, encoding="utf-8")
        (self.place.folder / "sql/training.sql").write_text(JOIN, encoding="utf-8")
        known.write_parquet(self.place.folder / "data/sample/carriers.parquet")

    def add_labels(self, rows: pl.DataFrame) -> None:
        """What became of these flights, as it is known from now on."""
        now = datetime.now(UTC).isoformat()
        labels = rows.select("flight_id", "late", labelled_at=pl.lit(now))
        self.sources["labels"].add("labels", labels)

    def classify(self, sensitive: bool) -> None:
        """Let the contract say, or no longer say, that a column is sensitive."""
        path = self.place.folder / "contracts/flights.odcs.yaml"
        text = path.read_text(encoding="utf-8").replace(COLUMN + CLASSIFIED, COLUMN)
        assert COLUMN in text
        text = text.replace(COLUMN, COLUMN + CLASSIFIED) if sensitive else text
        path.write_text(text, encoding="utf-8")

    def commit(self, message: str) -> None:
        self.place.run(f"git add --all && git commit --quiet --message '{message}'")

    def colleague(self) -> Workplace:
        """A new clone of the project, on a machine that reaches the same servers."""
        number = len(list(self.folder.glob("clone-*")))
        folder = self.folder / f"clone-{number}"
        git(self.folder, "clone", "--quiet", str(self.place.folder), str(folder))
        return Workplace(folder, self.place.venv, dict(self.place.environment))

    def sinks(self, place: Workplace, predictions: pl.DataFrame) -> list[str]:
        """Where predictions can go: a folder, and a database or bucket that is also a source."""
        (self.folder / "share").mkdir()
        share = {"kind": "files", "path": str(self.folder / "share/*.parquet"), "own": True}
        sinks = {"share": share}
        if "SQL_URL" in place.environment:
            made = {"predicted_by": pl.String, "predicted_at": pl.Datetime}
            empty = self.folder / "empty.parquet"
            none = {name: pl.lit(None, dtype) for name, dtype in made.items()}
            predictions.clear().with_columns(**none).write_parquet(empty)
            place.program("fill.py", "sql", "predictions", empty)
            sinks["desk"] = {"kind": "sql", "url_from": "SQL_URL", "table": "predictions"}
            sinks["desk"]["own"] = True
        if "object_store" in self.combination.sources.values():
            sinks["lake"] = {"kind": "object_store", "url": f"{self.store.url}/written/*.parquet"}
        add_params(place, {"sinks": sinks})
        return list(sinks)

    def write_back(self, place: Workplace, line: str, sink: str) -> pl.DataFrame:
        """Score where nothing was, and then again; what is there."""
        for _ in range(2):
            assert f"written to {sink}" in place.run(f"{line} --to {sink}")
        folder = self.folder / "share"
        if sink == "desk":
            folder = self.folder / "desk"
            folder.mkdir()
            place.program("read.py", "predictions", folder / "predictions.parquet")
        elif sink == "lake":
            folder = self.store.fetch(self.folder / "lake") / "written"
        [written] = folder.iterdir()
        return pl.read_parquet(written)
