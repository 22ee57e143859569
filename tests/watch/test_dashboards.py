"""Dashboards: every query parses and reads metrics that exist, and a person can read them."""

import json
import re
import shutil
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from support import rules as r

EVERYWHERE = {"data", "model"}
COLUMNS = 24
# What Grafana puts in the place of its variables; the quantities are of no account.
VARIABLES = {"$__rate_interval": "1m", "$metric": "loss"}
# The data source's own settings of an annotation, which the common schema does not know.
OF_THE_DATA_SOURCE = {"titleFormat", "tagKeys"}


def dashboards(project: Path) -> dict[str, dict[str, Any]]:
    folder = project / "monitoring/grafana/dashboards"
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries(dashboard: dict[str, Any]) -> list[str]:
    asked = [target["expr"] for panel in panels(dashboard) for target in panel["targets"]]
    asked += [annotation["expr"] for annotation in dashboard["annotations"]["list"]]
    for variable, text in VARIABLES.items():
        asked = [query.replace(variable, text) for query in asked]
    return asked


def problems(project: Path) -> list[str]:
    """What keeps a dashboard from showing what it says."""
    found = []
    wanted = EVERYWHERE | ({"service"} if project.name != "batch" else set())
    if set(dashboards(project)) != wanted:
        found.append(f"dashboards are {set(dashboards(project))}")
    known = r.made(project)
    for name, dashboard in dashboards(project).items():
        found += [f"{name}: no panels"] if len(panels(dashboard)) < 5 else []
        found += [f"{name}: {problem}" for problem in untold(dashboard)]
        for query in queries(dashboard):
            unknown = {one for one in r.metrics(query) if r.base(one) not in known}
            found += [f"{name}: {one} is nowhere made" for one in sorted(unknown)]
            found += [f"{name}: {query}: a variable"] if "$" in query else []
    return found


def untold(dashboard: dict[str, Any]) -> list[str]:
    found = []
    for panel in panels(dashboard):
        defaults = panel["fieldConfig"]["defaults"]
        if not (panel["title"] and panel["description"] and defaults.get("unit")):
            found.append(f"{panel['title']} lacks title, description or unit")
        if not panel["targets"]:
            found.append(f"{panel['title']} asks nothing")
    for one, other in combinations(dashboard["panels"], 2):
        if overlap(one["gridPos"], other["gridPos"]):
            found.append(f"{one['title']} and {other['title']} overlap")
        if one["id"] == other["id"]:
            found.append(f"{one['title']} and {other['title']} have one id")
    for panel in dashboard["panels"]:
        if panel["gridPos"]["x"] + panel["gridPos"]["w"] > COLUMNS:
            found.append(f"{panel['title']} is too far right")
    return found


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )


def test_dashboards_show_what_they_say(project: Path) -> None:
    assert problems(project) == []


def test_queries_parse(project: Path, tmp_path: Path) -> None:
    asked = [query for dashboard in dashboards(project).values() for query in queries(dashboard)]
    assert parse(asked, tmp_path).ok
    assert not parse([*asked, "sum by (job (up)"], tmp_path).ok


def parse(asked: list[str], folder: Path) -> r.Ran:
    """Prometheus reads queries as it reads rules."""
    rules = [{"record": f"panel:{number}", "expr": query} for number, query in enumerate(asked)]
    path = folder / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    return r.run("promtool", "check", "rules", str(path), cwd=folder)


def test_grafana_knows_every_key(project: Path) -> None:
    """What its own library does not give back is misspelt."""
    register_default_plugins()
    for name, dashboard in dashboards(project).items():
        assert lost(dashboard, name) == []
    dashboard["panels"][0]["gridPoss"] = {}
    assert lost(dashboard, "") == ["/panels/0/gridPoss"]


def lost(dashboard: dict[str, Any], name: str) -> list[str]:
    again = json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard)))
    return list(missing(dashboard, again, name))


def missing(wanted: Any, got: Any, where: str) -> list[str]:
    if isinstance(wanted, dict) and isinstance(got, dict):
        keys = [key for key in wanted if key not in OF_THE_DATA_SOURCE]
        return [
            place
            for key in keys
            for place in (
                missing(wanted[key], got[key], f"{where}/{key}")
                if key in got
                else [f"{where}/{key}"]
            )
        ]
    if isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        pairs = enumerate(zip(wanted, got, strict=True))
        return [place for number, pair in pairs for place in missing(*pair, f"{where}/{number}")]
    return [] if wanted == got else [where]


def test_data_source_and_folder_are_those_of_the_stack(project: Path) -> None:
    provisioning = project / "monitoring/grafana/provisioning"
    sources = r.read(provisioning / "datasources/prometheus.yml")["datasources"]
    known = {source["uid"]: source["type"] for source in sources}
    for dashboard in dashboards(project).values():
        for panel in panels(dashboard):
            assert known[panel["datasource"]["uid"]] == panel["datasource"]["type"]
    compose = r.read(project / "deploy/compose.yaml")["services"]
    folder = r.read(provisioning / "dashboards/dashboards.yml")["providers"][0]["options"]["path"]
    mounted = [volume.split(":") for volume in compose["grafana"]["volumes"]]
    assert ["../monitoring/grafana/dashboards", folder, "ro"] in mounted
    for source in sources:
        assert re.fullmatch(r"http://(\w+):\d+", source["url"])[1] in compose  # type: ignore[index]


BROKEN = {
    "empty file": ({}, "no panels"),
    "no unit": ({"unit": None}, "lacks title"),
    "misspelt metric": ({"expr": "model_infos"}, "model_infos is nowhere made"),
    "unknown variable": ({"expr": 'up{job="$job"}'}, "a variable"),
    "overlap": ({"gridPos": {"x": 0, "y": 0, "w": 24, "h": 50}}, "overlap"),
    "too far right": ({"gridPos": {"x": 20, "y": 900, "w": 5, "h": 5}}, "too far right"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_broken_dashboard_is_noticed(fault: str, projects: dict[str, Path], tmp_path: Path) -> None:
    change, said = BROKEN[fault]
    project = Path(shutil.copytree(projects["both"], tmp_path / "both"))
    path = project / "monitoring/grafana/dashboards/model.json"
    content = json.loads(path.read_text())
    panel = content["panels"][0]
    if not change:
        content["panels"] = []
    if "expr" in change:
        panel["targets"][0].update(change)
    if "unit" in change:
        panel["fieldConfig"]["defaults"].update(change)
    if "gridPos" in change:
        panel.update(change)
    path.write_text(json.dumps(content))
    assert any(said in problem for problem in problems(project)), problems(project)


def test_missing_dashboard_is_noticed(projects: dict[str, Path], tmp_path: Path) -> None:
    project = Path(shutil.copytree(projects["both"], tmp_path / "both"))
    (project / "monitoring/grafana/dashboards/data.json").unlink()
    assert problems(project)[0].startswith("dashboards are")
