"""Every cloud with every source: valid files, formatted as the project checks them, that compile.

Each pair is one project. The other answers take turns, so that each of them meets every cloud and
every source, and every second project has another source beside.
"""

import itertools
import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from dayone.fast_copier import faster
from support.rendering import render
from support.style import check_style

CLOUDS: list[dict[str, Any]] = [
    {"cloud": "onprem"},
    {"cloud": "aws"},
    {"cloud": "gcp"},
    {"cloud": "azure"},
    *({"cloud": "hybrid", "public_cloud": cloud} for cloud in ("aws", "gcp", "azure")),
]
SOURCES: list[dict[str, Any]] = [
    *({"data_sources": [kind]} for kind in ("files", "object_store", "sql", "rest", "stream")),
    *({"data_sources": ["warehouse"], "warehouse": kind} for kind in ("bigquery", "snowflake")),
]
SERVING: list[list[str]] = [["realtime", "batch"], ["batch"], ["realtime"]]
PARSERS = {
    ".json": json.loads,
    ".ipynb": json.loads,
    ".toml": tomllib.loads,
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
}


def answers() -> Iterator[dict[str, Any]]:
    for row, cloud in enumerate(CLOUDS):
        for column, source in enumerate(SOURCES):
            together = {"serving": SERVING[(row + column) % len(SERVING)], **cloud, **source}
            if (row + column) % 2:
                beside = SOURCES[(column + row) % len(SOURCES)]
                kinds = [*source["data_sources"], *beside["data_sources"]]
                together = {**beside, **together, "data_sources": list(dict.fromkeys(kinds))}
            yield together


def named(given: dict[str, Any]) -> str:
    return "-".join(
        word for value in given.values() for word in ([value] if isinstance(value, str) else value)
    )


@pytest.fixture(scope="module", autouse=True)
def _quickly() -> Iterator[None]:
    with faster():
        yield


@pytest.mark.parametrize("given", list(answers()), ids=named)
def test_what_is_emitted_is_valid(given: dict[str, Any], tmp_path: Path) -> None:
    project = render({"project_name": "My PoC", **given}, tmp_path / "project")
    for path in project.rglob("*"):
        if path.is_dir() or path.suffix in (".parquet", ".j2"):
            continue
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\{\{ |\{% | %\}| \}\}", text), path
        if path.suffix == ".py":
            compile(text, path, "exec", dont_inherit=True)
        elif path.suffix in PARSERS:
            PARSERS[path.suffix](text)
    check_style(project)


def test_all_pairs_are_there() -> None:
    clouds = {json.dumps(cloud) for cloud in CLOUDS}
    met = {
        (one, another)
        for given in answers()
        for one, another in itertools.permutations(_traits(given), 2)
    }
    wanted = {
        pair
        for one, another in itertools.permutations([clouds, _kinds(), set(map(str, SERVING))], 2)
        for pair in itertools.product(one, another)
    }
    assert wanted <= met


def _kinds() -> set[str]:
    return {source.get("warehouse", source["data_sources"][0]) for source in SOURCES}


def _traits(given: dict[str, Any]) -> list[str]:
    cloud = {name: given[name] for name in ("cloud", "public_cloud") if name in given}
    kinds = [given["warehouse"] if one == "warehouse" else one for one in given["data_sources"]]
    return [json.dumps(cloud), str(given["serving"]), *kinds]
