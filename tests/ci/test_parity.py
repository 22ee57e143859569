"""The three forges run the same: jobs of one name, with the same nox sessions, in one order."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from support.azure_pipelines import Pipeline, read
from support.git import commit_all, git
from support.rendering import render

from .going import FORGES

ALL_ON: dict[str, Any] = {
    "cloud": "hybrid",
    "public_cloud": "azure",
    "data_sources": ["files", "object_store", "sql", "warehouse", "rest", "stream"],
    "team_size": "large",
    "organisation": True,
    "package_index": "https://packages.example.com/simple",
    "ca_bundle": "/etc/ssl/certs/example.pem",
    "image_registry": "registry.example.com/mirror",
    "runner_label": "linux-ml",
    "forge_host": "git.example.com",
    "mandatory_tags": "cost-center=4711",
}
ANSWERS = {
    "default": {},
    "all on": ALL_ON,
    "batch": {"serving": ["batch"], "python_version": "3.13"},
}
SESSIONS = re.compile(r"nox -s ([a-z ]+?)(?: --.*)?$", re.MULTILINE)
INSTALLED = re.compile(r"(?:apt-get|npm) install ((?:-\S+ )*)(.+)$", re.MULTILINE)
# What an environment says to the steps; the rest of it is the forge's own.
SAID = re.compile(r"(UV_(?!CACHE)|PIP_|AWS_|REQUESTS_|SSL_)")
# GitLab keeps the word `image` for itself.
NAMES = {"images": "image"}


class Job(NamedTuple):
    name: str
    sessions: tuple[str, ...]
    pythons: tuple[str, ...]
    # Whether a change of text leaves it out.
    on_code: bool
    minutes: int
    # Packages of the system, and of npm.
    installed: tuple[str, ...]


def job(name: str, script: str, pythons: Any, on_code: bool, minutes: int) -> Job:
    name = NAMES.get(name, name)
    # Images are built by what the forge has for that.
    found = INSTALLED.findall(script) if name != "image" else []
    # An image of Python is without npm, which the machines of the others have.
    installed = sorted(word for _, words in found for word in words.split() if word != "npm")
    sessions = tuple(SESSIONS.findall(script))
    return Job(name, sessions, tuple(pythons), on_code, minutes, tuple(installed))


class Loader(yaml.SafeLoader):
    """YAML with the one tag that GitLab adds."""


Loader.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))


def load(path: Path) -> dict[str, Any]:
    return dict(yaml.load(path.read_text(encoding="utf-8"), Loader))  # noqa: S506


# Each forge as the same list ----------------------------------------------------------------------


def github(project: Path, pipeline: str) -> Iterator[Job]:
    default = load(project / ".github/actions/setup/action.yml")["inputs"]["python-version"]
    for name, given in load(project / f".github/workflows/{pipeline}.yml")["jobs"].items():
        script = "\n".join(step.get("run", "") for step in given["steps"])
        if "nox" not in script:
            continue
        matrix = given.get("strategy", {}).get("matrix", {})
        scopes = {str(step.get("if", "")) for step in given["steps"]} | {str(given.get("if", ""))}
        on_code = "needs.scope.outputs.code == 'true'" in scopes
        pythons = matrix.get("python", [default["default"]])
        yield job(name, script, pythons, on_code, given["timeout-minutes"])


def gitlab(project: Path, pipeline: str) -> Iterator[Job]:
    shared = load(project / ".gitlab-ci.yml")
    content = load(project / f".gitlab/ci/{pipeline}.yml")
    for name, given in content.items():
        script = _lines(given.get("before_script"), content | shared)
        script += _lines(given.get("script"), content | shared)
        if name.startswith(".") or "nox" not in script:
            continue
        [matrix] = given.get("parallel", {"matrix": [{}]})["matrix"]
        pythons = matrix.get("PYTHON", [shared["variables"]["PYTHON"]])
        on_code = ".code" in given["extends"]
        yield job(name, script, pythons, on_code, _minutes(given["timeout"]))


def _lines(given: Any, known: dict[str, Any]) -> str:
    """The lines of a script; an inner list is a reference."""
    lines = given or []
    inner = (known[line[0]][line[1]] if isinstance(line, list) else [line] for line in lines)
    return "".join(f"{line}\n" for part in inner for line in part)


def _minutes(text: str) -> int:
    number, unit = text.split()
    return int(number) * (60 if unit.startswith("hour") else 1)


def azure_devops(project: Path, pipeline: str) -> Iterator[Job]:
    default = load(project / ".azuredevops/steps/setup.yml")["parameters"][0]["default"]
    for given in azure(project, pipeline).jobs.values():
        script = "\n".join(step.script for step in given.steps)
        if "nox" not in script:
            continue
        pythons = [leg.get("python", default) for leg in given.legs.values()]
        on_code = "outputs['changed.code'], 'true'" in given.condition
        yield job(given.name, script, pythons, on_code, given.minutes)


def azure(project: Path, pipeline: str) -> Pipeline:
    return read(project / f".azuredevops/{pipeline}.yml")


Reader = Callable[[Path, str], Iterator[Job]]
READERS: dict[str, Reader] = {"github": github, "gitlab": gitlab, "azure_devops": azure_devops}


@pytest.fixture(params=ANSWERS)
def projects(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Path]:
    """The same project on each forge."""
    return {
        forge: render({"ci": forge, **ANSWERS[request.param]}, tmp_path / forge / "my-poc")
        for forge in FORGES
    }


def jobs(projects: dict[str, Path], pipeline: str) -> dict[str, list[Job]]:
    return {forge: list(READERS[forge](project, pipeline)) for forge, project in projects.items()}


# The same -----------------------------------------------------------------------------------------

CHECKS = ["lint", "scans", "tests", "data", "integration", "alerts", "loop", "image"]
ALWAYS = {"lint", "scans"}


def test_checks(projects: dict[str, Path], request: pytest.FixtureRequest) -> None:
    found = jobs(projects, "checks")
    assert found["gitlab"] == found["github"]
    assert found["azure_devops"] == found["github"]
    all_on = "all on" in request.node.name
    assert [one.name for one in found["github"]] == [
        name for name in CHECKS if name != "integration" or all_on
    ]
    assert {one.name for one in found["github"] if not one.on_code} == ALWAYS
    [tests] = [one for one in found["github"] if one.name == "tests"]
    assert tests.pythons == ("3.11", "3.12", "3.13")


def test_sessions_are_those_of_a_laptop(projects: dict[str, Path]) -> None:
    for forge, project in projects.items():
        noxfile = (project / "noxfile.py").read_text(encoding="utf-8")
        known = set(re.findall(r"@nox\.session.*\ndef (\w+)", noxfile))
        for pipeline in ("checks", "scheduled", "release"):
            for one in READERS[forge](project, pipeline):
                asked = {name for line in one.sessions for name in line.split()}
                assert asked <= known, (forge, pipeline, asked - known)


def test_scheduled(projects: dict[str, Path]) -> None:
    found = jobs(projects, "scheduled")
    assert found["gitlab"] == found["github"]
    assert found["azure_devops"] == found["github"]
    names = ["observe", "retrain", "dependencies", "template"]
    assert [one.name for one in found["github"]] == names
    assert [one.sessions for one in found["github"]] == [(name,) for name in names]


def test_scheduled_at_the_same_time(projects: dict[str, Path]) -> None:
    """People make the schedules of GitLab, outside of its files."""
    here = load(projects["github"] / ".github/workflows/scheduled.yml")["jobs"]
    there = azure(projects["azure_devops"], "scheduled")
    times = {one["displayName"]: one["cron"] for one in there.content["schedules"]}
    for name, given in here.items():
        [cron] = re.findall(r"github\.event\.schedule == '(.*?)'", given["if"])
        [when] = [when for when in times if f"'{when}'" in there.jobs[name].condition]
        assert times[when] == cron


def test_release(projects: dict[str, Path]) -> None:
    found = jobs(projects, "release")
    in_order = {
        forge: [line for one in all_ for line in one.sessions] for forge, all_ in found.items()
    }
    assert in_order["github"] == ["release", "image probe sbom", "publish"]
    assert in_order["gitlab"] == in_order["github"]
    assert in_order["azure_devops"] == in_order["github"]
    files = {
        "github": ".github/workflows/release.yml",
        "gitlab": ".gitlab/ci/release.yml",
        "azure_devops": ".azuredevops/release.yml",
    }
    for forge, name in files.items():
        text = (projects[forge] / name).read_text(encoding="utf-8")
        for wanted in ("cosign sign", "cyclonedx", "reports/sbom.cdx.json", "notes.md"):
            assert wanted in text, (forge, wanted)
        assert "slsaprovenance1" in text or "actions/attest@" in text


@pytest.mark.parametrize("pipeline", ["checks", "scheduled", "release"])
def test_environment(pipeline: str, projects: dict[str, Path]) -> None:
    here = load(projects["github"] / f".github/workflows/{pipeline}.yml")["env"]
    there = {
        "gitlab": load(projects["gitlab"] / ".gitlab-ci.yml")["variables"],
        "azure_devops": azure(projects["azure_devops"], pipeline).variables,
    }
    wanted = {name: value for name, value in here.items() if SAID.match(name)}
    assert wanted["UV_LOCKED"] == "1"
    for forge, given in there.items():
        found = {name: value for name, value in given.items() if SAID.match(name)}
        assert found == wanted, forge


def test_what_is_text(projects: dict[str, Path]) -> None:
    """Each file of the project is text to all of them, or to none."""
    found = {forge: _code(forge, project) for forge, project in projects.items()}
    # Each forge has files of its own besides.
    for path in sorted(set.intersection(*map(set, found.values()))):
        answers = {forge: found[forge][path] for forge in FORGES}
        assert len(set(answers.values())) == 1, (path, answers)
    assert not found["github"]["README.md"]
    assert found["github"]["docs/charter.md"]
    assert found["github"]["params.yaml"]


def _code(forge: str, project: Path) -> dict[str, bool]:
    """The project's files, and whether a change of one is of more than text."""
    commit_all(project)
    files = git(project, "ls-files").splitlines()
    if forge == "gitlab":
        content = load(project / ".gitlab/ci/checks.yml")[".code"]["rules"]
        patterns = [pattern for rule in content for pattern in rule["changes"]]
        return {path: any(_matches(path, pattern) for pattern in patterns) for path in files}
    name = ".github/workflows" if forge == "github" else ".azuredevops"
    script = (project / name / "checks.yml").read_text(encoding="utf-8")
    left_out = re.findall(r"'(:![^']+)'", script)
    code = set(git(project, "ls-files", "--", ".", *left_out).splitlines())
    code |= set(re.findall(r"HEAD -- (docs/\S+)", script))
    return {path: path in code for path in files}


def _matches(path: str, pattern: str) -> bool:
    """As GitLab matches: a star stops at a slash, two do not."""
    rule = re.escape(pattern).replace(r"\*\*/", "(?:.*/)?").replace(r"\*", "[^/]*")
    rule = rule.replace(r"\[\^", "[^").replace(r"\]", "]")
    return re.fullmatch(rule, path) is not None
