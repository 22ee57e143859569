"""What is emitted: exactly the files that the answers ask for, and nothing left unrendered."""

import fnmatch
import hashlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import Environment, meta

from code_lines import count, modules
from dayone.fast_copier import faster
from dayone.ownership import Ownership, matches
from support import ROOT
from support.rendering import render

MOST_FILES = 215
# Lines of code of a module in sources/, and of those that are longer: why, says decision 11.
MOST_LINES = 110
LONGER = {"api": 125, "formats": 145, "growing": 185, "sql": 135}

# What one changed answer takes away from, or changes in, the project with the defaults, or the one
# with all sources.
REMOVED = {
    "batch only": {
        "monitoring/*/dashboards/service.json",
        "monitoring/rules/recording.yml",
        "monitoring/*/service*.yml",
        "src/*/serve/*",
        "tests/test_serve*.py",
        "tests/servers.py",
        "tools/drill.py",
        "tools/load.py",
    },
    "realtime only": {
        "src/*/score.py",
        "src/*/sinks.py",
        "tests/test_score.py",
        "tests/test_sinks.py",
    },
    "no object_store": {"src/*/sources/object_store.py", "tests/*/test_object_store.py"},
    "no sql": {
        "src/*/sources/sql.py",
        "src/*/sources/sql_types.py",
        "tests/*/sql_server.py",
        "tests/*/test_sql.py",
    },
    "no warehouse": {
        "src/*/sources/warehouse.py",
        "tests/*/test_warehouse.py",
        "tests/*/warehouse_server.py",
    },
    "no sql, no warehouse": {
        "src/*/sources/growing.py",
        "src/*/sources/sql*.py",
        "src/*/sources/warehouse.py",
        "tests/*/sql_server.py",
        "tests/*/test_sql.py",
        "tests/*/test_warehouse.py",
        "tests/*/warehouse_server.py",
    },
    "no rest": {
        "src/*/sources/api.py",
        "src/*/sources/rest.py",
        "src/*/web.py",
        "tests/*/rest_server.py",
        "tests/*/test_rest.py",
    },
    "no stream": {
        "src/*/sources/messages.py",
        "src/*/sources/stream.py",
        "src/*/sources/topic.py",
        "tests/*/login_proxy.py",
        "tests/*/stream_server.py",
        "tests/*/test_stream.py",
    },
    "all, own": {
        "residency.yaml",
        "src/*/*/gs.py",
        "src/*/residency.py",
        "tests/test_residency.py",
    },
    "all, gcp": {
        "residency.yaml",
        "src/*/*/s3.py",
        "src/*/residency.py",
        "tests/*/ssh_server.py",
        "tests/test_residency.py",
    },
}
SOURCES = ["files", "object_store", "sql", "warehouse", "rest", "stream"]
ALL = {"cloud": "hybrid", "public_cloud": "gcp", "data_sources": SOURCES}


def _but(*left_out: str) -> dict[str, Any]:
    return {**ALL, "data_sources": [kind for kind in SOURCES if kind not in left_out]}


def _large(ci: str) -> dict[str, Any]:
    owner = "data@example.com" if ci == "azure_devops" else "@acme/data"
    return {"ci": ci, "team_size": "large", "data_owners": owner}


ANSWERS = {
    "defaults": {},
    "batch only": {"serving": ["batch"]},
    "realtime only": {"serving": ["realtime"]},
    "python 3.11": {"python_version": "3.11"},
    "python 3.13": {"python_version": "3.13"},
    "described": {"description": "Says which flights arrive late.", "owner": "Operations"},
    "all": ALL,
    "all, azure": {**ALL, "public_cloud": "azure"},
    "all, realtime only": {**ALL, "serving": ["realtime"]},
    "all, own": {**ALL, "cloud": "onprem"},
    "all, gcp": {**ALL, "cloud": "gcp"},
    "all, snowflake": {**ALL, "warehouse": "snowflake"},
    **{f"no {kind}": _but(kind) for kind in SOURCES if kind != "files"},
    "no sql, no warehouse": _but("sql", "warehouse"),
    **{ci: {"ci": ci} for ci in ("gitlab", "azure_devops")},
    **{f"large, {ci}": _large(ci) for ci in ("github", "gitlab", "azure_devops")},
    "small": {**_large("github"), "team_size": "small"},
    "large, without owners": {"team_size": "large"},
}


@pytest.fixture(scope="session")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("projects")
    with faster():
        return {
            name: render({"project_name": "My PoC", **answers}, folder / name.replace(" ", "-"))
            for name, answers in ANSWERS.items()
        }


def files(project: Path) -> set[str]:
    return {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}


def test_all_answers_emit_exactly_the_files_of_the_template(projects: dict[str, Path]) -> None:
    """No answer gives all three clouds, or two forges."""
    template = ROOT / "template"
    names = {str(path.relative_to(template)) for path in template.rglob("*") if path.is_file()}
    expected = {
        name.removesuffix(".jinja")
        .replace("{{ package }}", "my_poc")
        .replace("{{ _copier_conf.answers_file }}", ".copier-answers.yml")
        for name in names
        if "__pycache__" not in name
    }
    together = ("all", "all, azure", "large, github", "large, gitlab", "large, azure_devops")
    assert set().union(*(files(projects[name]) for name in together)) == expected


def test_defaults_emit_nothing_for_data_from_elsewhere(projects: dict[str, Path]) -> None:
    found = {file for file in files(projects["defaults"]) if "/sources/" in file}
    expected = {"__init__", "files", "formats", "json_rows"}
    assert found == {f"src/my_poc/sources/{name}.py" for name in expected}


@pytest.mark.parametrize("name", REMOVED)
def test_choice_that_is_not_taken_leaves_exactly_its_files_out(
    name: str, projects: dict[str, Path]
) -> None:
    base = "defaults" if name in ("batch only", "realtime only") else "all"
    everything = files(projects[base])
    gone = everything - files(projects[name])
    expected = {file for file in everything for row in REMOVED[name] if fnmatch.fnmatch(file, row)}
    assert gone == expected
    assert gone


def test_number_of_files_stays_small(projects: dict[str, Path]) -> None:
    assert len(files(projects["defaults"])) <= MOST_FILES


@pytest.mark.parametrize("name", ["all", "all, snowflake"])
def test_connectors_can_be_read(name: str, projects: dict[str, Path]) -> None:
    found = modules(projects[name] / "src/my_poc/sources")
    long = {module: lines for module, lines in found.items() if lines > MOST_LINES}
    assert long.keys() == LONGER.keys()
    assert all(lines <= LONGER[module] for module, lines in long.items()), long


def test_lines_of_code_are_those_without_text_and_blanks() -> None:
    assignment = 'A = """\nvalue\n"""  # text\n\n'
    function = 'def f(\n    a, b\n):\n    """Text."""\n    # text\n\n    return a\n'
    assert count('"""Text.\n\nMore.\n"""\n\n' + assignment + function) == 3 + 3 + 1


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_is_left_unrendered(name: str, projects: dict[str, Path]) -> None:
    """The templates of reports are rendered by the project, `${{ }}` by the forge."""
    for path in projects[name].rglob("*"):
        if path.is_file() and path.suffix not in (".parquet", ".j2"):
            text = path.read_text(encoding="utf-8")
            text = re.sub(r"\$\{\{ .*? \}\}", "", text)
            assert not re.search(r"\{\{ |\{% | %\}| \}\}", text), path


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_speaks_of_dayone(name: str, projects: dict[str, Path]) -> None:
    """Emitted code imports nothing of dayone; the answers file alone says where it is from.

    Only the command that updates a project is named in it, and run by the job that proposes one.
    """
    left_out = (".copier-answers.yml", "propose.py")
    for path in projects[name].rglob("*"):
        if path.is_file() and path.suffix != ".parquet" and path.name not in left_out:
            text = path.read_text(encoding="utf-8").replace("`dayone update`", "")
            assert "dayone" not in text, path


def test_rendering_twice_gives_equal_bytes(tmp_path: Path, projects: dict[str, Path]) -> None:
    """Not from the cache of `render`: the folder's name is another."""
    again = render({"project_name": "My PoC"}, tmp_path / "again")
    for name in files(projects["defaults"]):
        assert (again / name).read_bytes() == (projects["defaults"] / name).read_bytes(), name


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_python_version_is_what_types_are_checked_for(
    version: str, projects: dict[str, Path]
) -> None:
    pyproject = (projects[f"python {version}"] / "pyproject.toml").read_text()
    assert f'python_version = "{version}"' in pyproject


def _ownership() -> Ownership:
    settings = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    return Ownership(settings["_ownership"])


def test_every_path_has_an_owner(projects: dict[str, Path]) -> None:
    ownership = _ownership()
    unowned = [
        file
        for project in projects.values()
        for file in files(project)
        if ownership.owner_of(file) is None
    ]
    assert unowned == []


def test_every_owner_pattern_owns_something(projects: dict[str, Path]) -> None:
    emitted = set().union(*map(files, projects.values()))
    patterns = [pattern for pattern, _ in _ownership().rules]
    idle = [row for row in patterns if not any(matches(row, file) for file in emitted)]
    assert idle == []


def test_features_started_with_are_the_emitted_ones(projects: dict[str, Path]) -> None:
    """`use-data` replaces features.py only while it is the file that the project began with."""
    package = projects["defaults"] / "src/my_poc"
    digest = hashlib.sha256((package / "features.py").read_bytes()).hexdigest()
    assert f'STARTED_WITH = "{digest}"' in (package / "own_data.py").read_text()


def test_template_needs_no_trust() -> None:
    settings = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    assert not {"_tasks", "_migrations", "_jinja_extensions", "_external_data"} & set(settings)


def test_conditional_rows_guard_their_variables() -> None:
    """An update renders the table with the old version's answers, which lack newer questions."""
    settings = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    conditions = re.findall(r"{% if (.*?) %}", "".join(settings["_exclude"]))
    assert conditions
    for condition in conditions:
        parsed = Environment().parse(f"{{{{ {condition} }}}}")  # noqa: S701, nothing is rendered
        guarded = set(re.findall(r"(\w+) is defined and", condition))
        assert meta.find_undeclared_variables(parsed) <= guarded | {"_copier_operation"}, condition
