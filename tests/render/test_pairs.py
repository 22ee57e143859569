"""Every cloud with every source: valid files, formatted as the project checks them, that compile.

Each pair is one project. The other answers take turns, so that each of them meets every cloud,
every source and each other, and every second project has another source beside.
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
# How handles of owners look at each forge.
FORGES = {
    "github": {"data_owners": "@acme/data", "security_owners": "@ada, @bo"},
    "gitlab": {"data_owners": "@acme/ml/data", "platform_owners": "@ada @bo"},
    "azure_devops": {
        "model_owners": "ada@acme.com, bo@acme.com",
        "platform_owners": r"[Späte Flüge]\Команда",
    },
}
SIZES = ("solo", "small", "large")


class Loader(yaml.SafeLoader):
    """Reads past the tags of GitLab."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def parse_yaml(text: str) -> list[Any]:
    return list(yaml.load_all(text, Loader))


PARSERS = {
    ".json": json.loads,
    ".ipynb": json.loads,
    ".toml": tomllib.loads,
    ".yaml": parse_yaml,
    ".yml": parse_yaml,
}


def answers() -> Iterator[dict[str, Any]]:
    for row, cloud in enumerate(CLOUDS):
        for column, source in enumerate(SOURCES):
            ci = list(FORGES)[(row + 2 * column) % len(FORGES)]
            size = SIZES[(row + column // 3) % len(SIZES)]
            together = {"serving": SERVING[(row + column) % len(SERVING)], **cloud, **source}
            together |= {"ci": ci, "team_size": size}
            if size != "solo":
                together |= FORGES[ci]
            if (row + column) % 2:
                beside = SOURCES[(column + row) % len(SOURCES)]
                kinds = [*source["data_sources"], *beside["data_sources"]]
                together = {**beside, **together, "data_sources": list(dict.fromkeys(kinds))}
            yield together


def named(given: dict[str, Any]) -> str:
    values = (value for name, value in given.items() if not name.endswith("_owners"))
    return "-".join(
        word for value in values for word in ([value] if isinstance(value, str) else value)
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
        # What GitHub and Azure DevOps put in themselves is no part of the template.
        ours = re.sub(r"\$\{\{.*?\}\}", "", text, flags=re.DOTALL)
        assert not re.search(r"\{\{ |\{% | %\}| \}\}", ours), path
        if path.suffix == ".py":
            compile(text, path, "exec", dont_inherit=True)
        elif path.suffix in PARSERS:
            PARSERS[path.suffix](text)
    check_style(project)


def test_all_pairs_are_there() -> None:
    clouds = {json.dumps(cloud) for cloud in CLOUDS}
    every = [clouds, _kinds(), set(map(str, SERVING)), set(FORGES), set(SIZES)]
    met = {
        (one, another)
        for given in answers()
        for one, another in itertools.permutations(_traits(given), 2)
    }
    wanted = {
        pair
        for one, another in itertools.permutations(every, 2)
        for pair in itertools.product(one, another)
    }
    assert wanted <= met


def _kinds() -> set[str]:
    return {source.get("warehouse", source["data_sources"][0]) for source in SOURCES}


def _traits(given: dict[str, Any]) -> list[str]:
    cloud = {name: given[name] for name in ("cloud", "public_cloud") if name in given}
    kinds = [given["warehouse"] if one == "warehouse" else one for one in given["data_sources"]]
    return [json.dumps(cloud), str(given["serving"]), given["ci"], given["team_size"], *kinds]
