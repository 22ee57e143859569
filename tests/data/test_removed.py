"""Without the files that a choice brings, a project does not do what was chosen, and says why."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from support import ROOT
from support.workplace import Workplace

from .going import Going

# How copier.yml asks whether a choice was not taken.
ABSENT = {
    "object_store": "not object_store",
    "sql": "not sql",
    "warehouse": "not (bigquery or snowflake)",
    "rest": "not rest",
    "stream": "not stream",
    "s3": "not speaks_aws",
    "gs": "not speaks_gcp",
    "az": "not speaks_azure",
    "hybrid": "not hybrid",
}
# A reader of files is in every project.
ALWAYS = {"files": ["src/*/sources/files.py"]}


def patterns(choice: str) -> list[str]:
    """The paths in the project that are emitted for a choice alone, as the table has them."""
    if choice in ALWAYS:
        return ALWAYS[choice]
    rows = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))["_exclude"]
    [row] = [row for row in rows if f" {ABSENT[choice]} %}}" in row.partition("\n")[0]]
    return [line.strip("/ ") for line in row.splitlines() if line.startswith("/")]


def modules(place: Workplace, choice: str) -> list[Path]:
    found = [path for pattern in patterns(choice) for path in place.folder.glob(pattern)]
    assert found, f"nothing is emitted for {choice} alone"
    return [path for path in found if path.is_relative_to(place.folder / "src")]


def remove(place: Workplace, choice: str) -> None:
    for pattern in patterns(choice):
        for path in place.folder.glob(pattern):
            path.unlink()


class Choice(NamedTuple):
    """What needs a choice, and what is said where its files are not there.

    ``foreseen`` says that a project may be without it, and says so in one line.
    """

    line: str
    said: str
    foreseen: bool = True


def choices(going: Going) -> dict[str, Choice]:
    found = {}
    for dataset, source in going.sources.items():
        kind, line = source.options(dataset)["kind"], f"my-poc ingest {dataset}"
        said = f"Error: this project has no sources of the kind '{kind}'"
        found[kind] = Choice(line, "files", False) if kind in ALWAYS else Choice(line, said)
    scheme, separator, _ = going.store.url.partition("://")
    if separator:
        line, place = f"my-poc use-store {going.store.words}", f"{going.store.url}/my-poc"
        said = f"Error: {place}: this project has no client for {scheme}://"
        found[scheme] = Choice(line, said)
    if going.home:
        found["hybrid"] = Choice("my-poc ingest", "residency", False)
    return found


def fails(place: Workplace, line: str) -> str:
    """What a line says that must not succeed."""
    with pytest.raises(AssertionError) as failed:
        place.run(line)
    return str(failed.value)


def test_nothing_works_without_the_files_of_a_choice(going: Going, tmp_path: Path) -> None:
    for name, choice in choices(going).items():
        place = going.place.copy(tmp_path / name)
        place.run(choice.line)
        for path in modules(place, name):
            aside = Path(shutil.move(path, tmp_path))
            fails(place, choice.line)
            shutil.move(aside, path)
        remove(place, name)
        said = fails(place, choice.line)
        assert choice.said in said
        assert ("Traceback" not in said) == choice.foreseen
