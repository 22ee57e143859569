"""How many people work on it decides who reviews, what the forge enforces, what is written down."""

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pathspec
import pytest
import yaml

from ci.backstage import problems
from dayone.fast_copier import faster
from support.git import commit_all, git
from support.rendering import render

FORGES = ("github", "gitlab", "azure_devops")
HANDLES: dict[str, dict[str, str]] = {
    "github": {
        "data_owners": "@acme/data",
        "model_owners": "@ada, @acme/models_2",
        "platform_owners": "@acme/platform @bo-1",
        "security_owners": "@acme/security",
    },
    "gitlab": {
        "data_owners": "@acme/ml/data",
        "model_owners": "@ada.l @acme/models",
        "platform_owners": "@acme",
        "security_owners": "@acme/security",
    },
    "azure_devops": {
        "data_owners": r"[Späte Flüge]\Команда данных",
        "model_owners": "ada@acme.com, bo.b+ml@acme.co.uk",
        "platform_owners": r"[acme]\Platform (EU)",
        "security_owners": "security@acme.com",
    },
}
REMOTES = {
    "github": "git@github.com:acme/late.git",
    "gitlab": "https://gitlab.com/acme/ml/late.git",
    "azure_devops": "git@ssh.dev.azure.com:v3/acme/Late%20Flights/late",
}
FOR_TEAMS = {
    ".azuredevops/pull_request_template.md",
    ".github/CODEOWNERS",
    ".github/ISSUE_TEMPLATE/*",
    ".github/pull_request_template.md",
    ".github/rulesets/*",
    ".gitlab/CODEOWNERS",
    ".gitlab/issue_templates/*",
    ".gitlab/merge_request_templates/*",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "tests/test_rules.py",
    "tools/rules.py",
}
FOR_LARGE_TEAMS = {
    "catalog-info.yaml",
    "contracts/consumers.yaml",
    "docs/escalation.md",
    "docs/raci.md",
    "tests/test_consumers.py",
    "tools/consumers.py",
}
# Links, and what stands in backticks and is the path of a file.
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PATH = re.compile(r"`((?:[\w.-]+/)+[\w.-]*\.\w+|SECURITY\.md)`")


def project(forge: str, size: str, folder: Path, *, named: bool = True, **answers: Any) -> Path:
    """A project of a team, in a repository."""
    owners = HANDLES[forge] if named and size != "solo" else {}
    given = {"project_name": "My PoC", "ci": forge, "team_size": size, **owners, **answers}
    with faster():
        made = render(given, folder / f"{forge}-{size}")
    (made / "uv.lock").touch()
    git(made, "init", "--quiet", "--initial-branch=main")
    git(made, "remote", "add", "origin", REMOTES[forge])
    commit_all(made)
    return made


def tracked(folder: Path) -> list[str]:
    return git(folder, "ls-files").splitlines()


def found(folder: Path, patterns: set[str]) -> set[str]:
    names = tracked(folder)
    return {name for name in names for row in patterns if fnmatch.fnmatch(name, row)}


# What is emitted ----------------------------------------------------------------------------------


@pytest.mark.parametrize("forge", FORGES)
def test_one_person_gets_nothing_of_a_team(forge: str, tmp_path: Path) -> None:
    alone = project(forge, "solo", tmp_path)
    assert found(alone, FOR_TEAMS | FOR_LARGE_TEAMS) == set()
    assert "tools/rules.py" not in (alone / "noxfile.py").read_text()
    assert (alone / "docs/threat_model.md").exists()


@pytest.mark.parametrize("forge", FORGES)
def test_one_team_gets_what_one_team_needs(forge: str, tmp_path: Path) -> None:
    few = project(forge, "small", tmp_path)
    folder = {"github": ".github/", "gitlab": ".gitlab/", "azure_devops": ".azuredevops/"}[forge]
    expected = {row for row in FOR_TEAMS if not row.startswith(".") or row.startswith(folder)}
    assert found(few, FOR_LARGE_TEAMS) == set()
    for row in expected:
        assert found(few, {row}), row


@pytest.mark.parametrize("forge", FORGES)
def test_several_teams_get_what_several_teams_need(forge: str, tmp_path: Path) -> None:
    many = project(forge, "large", tmp_path)
    assert found(many, FOR_LARGE_TEAMS) == FOR_LARGE_TEAMS


@pytest.mark.parametrize("size", ["solo", "small", "large"])
@pytest.mark.parametrize("forge", FORGES)
def test_what_documents_name_is_there(forge: str, size: str, tmp_path: Path) -> None:
    made = project(forge, size, tmp_path, serving=["batch"] if size == "small" else ["realtime"])
    written = {"reports/change.md"}
    documents = ["docs/threat_model.md", "CONTRIBUTING.md", "SECURITY.md", "docs/escalation.md"]
    for name in [*documents, "docs/raci.md"]:
        path = made / name
        if not path.exists():
            continue
        text = path.read_text()
        for link in LINK.findall(text):
            assert (path.parent / link).exists(), (name, link)
        for file in PATH.findall(text):
            assert file in written or (made / file).exists(), (name, file)


# Owners -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["small", "large"])
@pytest.mark.parametrize("forge", FORGES)
def test_each_pattern_of_owners_matches_a_path(forge: str, size: str, tmp_path: Path) -> None:
    made = project(forge, size, tmp_path, cloud="hybrid")
    owned = owners(made, forge)
    assert {handle for _, handles in owned for handle in handles} == set(all_handles(forge))
    for pattern, _ in owned:
        assert owned_paths(made, forge, pattern), pattern


def owned_paths(made: Path, forge: str, pattern: str) -> list[str]:
    """The paths that a pattern stands for; on Azure DevOps a star stands for slashes as well."""
    if forge == "azure_devops":
        return [name for name in tracked(made) if fnmatch.fnmatchcase(f"/{name}", pattern)]
    return list(pathspec.PathSpec.from_lines("gitignore", [pattern]).match_files(tracked(made)))


@pytest.mark.parametrize("left", ["data_owners", "security_owners"])
@pytest.mark.parametrize("forge", FORGES)
def test_a_role_that_nobody_has_gets_no_owner(forge: str, left: str, tmp_path: Path) -> None:
    made = project(
        forge, "large", tmp_path, **{name: "" for name in HANDLES[forge] if name != left}
    )
    expected = split(HANDLES[forge][left], forge)
    assert {handle for _, handles in owners(made, forge) for handle in handles} == set(expected)


@pytest.mark.parametrize("forge", FORGES)
def test_without_any_owner_there_is_no_file_of_owners(forge: str, tmp_path: Path) -> None:
    made = project(forge, "large", tmp_path, named=False)
    assert not [name for name in tracked(made) if name.endswith("CODEOWNERS")]
    dry = rules(made)
    assert "the id of @" not in dry
    assert "owners" not in dry
    assert '"require_code_owner_review": true' not in dry


def owners(made: Path, forge: str) -> list[tuple[str, list[str]]]:
    """The patterns of owned paths, with who owns them."""
    if forge == "azure_devops":
        policies = [body for _, body in sent(rules(made)) if "filenamePatterns" in str(body)]
        return [
            (pattern, [str(one).removeprefix("the id of ") for one in given["requiredReviewerIds"]])
            for given in (policy["settings"] for policy in policies)
            for pattern in given["filenamePatterns"]
        ]
    lines = (made / f".{forge}/CODEOWNERS").read_text().splitlines()
    rows = [line for line in lines if line and not line.startswith("#")]
    owned, section = [], list[str]()
    for row in rows:
        if row.startswith("["):
            section = row.split()[1:]
            continue
        pattern, *handles = row.split()
        owned.append((pattern, handles or section))
    return owned


def split(text: str, forge: str) -> list[str]:
    parts = text.split(",") if forge == "azure_devops" else text.replace(",", " ").split()
    return [part.strip() for part in parts]


def all_handles(forge: str) -> list[str]:
    return [handle for text in HANDLES[forge].values() for handle in split(text, forge)]


@pytest.mark.parametrize(
    ("forge", "text", "bad"),
    [
        ("github", "acme/data", "acme/data"),
        ("github", "@ada @acme/data/eu", "@acme/data/eu"),
        ("github", "ada@acme.com", "ada@acme.com"),
        ("github", "@-ada", "@-ada"),
        ("github", r"[Late]\Team", r"[Late]\Team"),
        ("gitlab", "@acme/", "@acme/"),
        ("gitlab", "acme", "acme"),
        ("gitlab", "@ada, bo@acme.com", "bo@acme.com"),
        ("azure_devops", "@ada", "@ada"),
        ("azure_devops", "ada@acme.com bo@acme.com", "ada@acme.com bo@acme.com"),
        ("azure_devops", "[Late Flights]", "[Late Flights]"),
        ("azure_devops", "Data Team", "Data Team"),
    ],
)
def test_a_handle_of_another_forge_is_refused(
    forge: str, text: str, bad: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=f'"{re.escape(bad)}" is no handle of .*: write '):
        project(forge, "small", tmp_path, platform_owners=text)


@pytest.mark.parametrize("text", ["@a\n@b", "@" + "a" * 90])
def test_a_handle_that_would_break_a_line_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line breaks|At most 80"):
        project("gitlab", "small", tmp_path, data_owners=text)


# Rules --------------------------------------------------------------------------------------------


def rules(made: Path, *arguments: str, expect: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "tools/rules.py", *arguments],
        cwd=made,
        env={**os.environ, "PYTHONPATH": str(made / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == expect, done.stderr
    return done.stdout + done.stderr


def sent(dry: str) -> list[tuple[str, Any]]:
    """The calls of a dry run, with what they would send."""
    calls = re.split(r"^(?=(?:GET|POST|PUT|PATCH|DELETE) )", dry, flags=re.MULTILINE)[1:]
    bodies = []
    for call in calls:
        line, _, rest = call.partition("\n")
        text = rest.split("\n\nNothing was sent")[0]
        bodies.append((line, json.loads(text) if text.strip() else None))
    return bodies


@pytest.mark.parametrize(("size", "count"), [("small", 1), ("large", 2)])
@pytest.mark.parametrize("forge", FORGES)
def test_larger_teams_want_more_reviews(forge: str, size: str, count: int, tmp_path: Path) -> None:
    calls = sent(rules(project(forge, size, tmp_path)))
    text = json.dumps([body for _, body in calls])
    name = {
        "github": "required_approving_review_count",
        "gitlab": "approvals_required",
        "azure_devops": "minimumApproverCount",
    }[forge]
    assert re.findall(rf'"{name}": (\d)', text) == [str(count)]
    owners = {
        "github": '"require_code_owner_review": true',
        "gitlab": '"code_owner_approval_required": true',
        "azure_devops": '"isBlocking": false',
    }[forge]
    assert (owners in text) == ((size == "large") != (forge == "azure_devops"))


@pytest.mark.parametrize("forge", FORGES)
def test_the_approvers_of_a_release_are_those_of_the_platform(forge: str, tmp_path: Path) -> None:
    calls = sent(rules(project(forge, "small", tmp_path)))
    about_releases = json.dumps([body for _, body in calls if "pprov" in str(body)] or calls)
    if forge == "github":
        about_releases = json.dumps([body for line, body in calls if line.endswith("/release")])
    for handle in split(HANDLES[forge]["platform_owners"], forge):
        assert f"the id of {json.dumps(handle)[1:-1]}" in about_releases


@pytest.mark.parametrize("sources", [["files"], ["files", "sql"]])
def test_what_must_pass_is_exactly_the_jobs_of_the_checks(
    sources: list[str], tmp_path: Path
) -> None:
    made = project("github", "small", tmp_path, data_sources=sources)
    ruleset = json.loads((made / ".github/rulesets/main.json").read_text())
    [wanted] = [row for row in ruleset["rules"] if row["type"] == "required_status_checks"]
    checks = [row["context"] for row in wanted["parameters"]["required_status_checks"]]
    workflow = yaml.safe_load((made / ".github/workflows/checks.yml").read_text())
    assert sorted(checks) == sorted(reported(workflow["jobs"]))
    assert ("integration" in checks) == (sources != ["files"])


def reported(jobs: dict[str, Any]) -> list[str]:
    """The checks that a pull request shows; a job with a matrix that is left out shows another."""
    names = []
    for name, job in jobs.items():
        shown = job.get("name", name)
        matrix = job.get("strategy", {}).get("matrix")
        if matrix is None:
            names.append(shown)
            continue
        assert "if" not in job
        [values] = matrix.values()
        names += [f"{shown} ({value})" for value in values]
    return names


@pytest.mark.parametrize("forge", FORGES)
def test_its_own_tests_pass(forge: str, tmp_path: Path) -> None:
    """Against a server on this machine; they need nothing of the model's packages."""
    made = project(forge, "large", tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--quiet", "--noconftest", "-p", "no:cacheprovider"),
            *("tests/test_rules.py", "tests/test_threats.py", "tests/test_consumers.py"),
        ],
        cwd=made,
        env={**os.environ, "PYTHONPATH": str(made / "src")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("forge", FORGES)
def test_nothing_of_a_team_looks_like_a_secret(forge: str, tmp_path: Path) -> None:
    """The baseline is the project's own, so that what a team brings later cannot stand in it."""
    alone = project(forge, "solo", tmp_path)
    many = project(forge, "large", tmp_path)
    added = sorted({*tracked(many)} - {*tracked(alone)})
    done = subprocess.run(
        [sys.executable, "-m", "detect_secrets.pre_commit_hook", *added],
        cwd=many,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_project_in_a_folder_of_another_repository_is_told_so(tmp_path: Path) -> None:
    made = project("github", "small", tmp_path / "all/projects")
    (made / ".git").rename(tmp_path / "unused")
    git(tmp_path / "all", "init", "--quiet")
    assert "has no rules of its own" in rules(made, expect=1)


# What is written down -----------------------------------------------------------------------------


def test_forms_of_issues_are_valid(tmp_path: Path) -> None:
    folder = project("github", "large", tmp_path) / ".github/ISSUE_TEMPLATE"
    forms = sorted(path for path in folder.glob("*.yml") if path.name != "config.yml")
    assert len(forms) == 3
    assert schema("vendor.github-issue-forms", *forms) == 0
    assert schema("vendor.github-issue-config", folder / "config.yml") == 0
    broken = yaml.safe_load(forms[0].read_text())
    broken["body"][1]["type"] = "imput"
    forms[0].write_text(yaml.safe_dump(broken))
    assert schema("vendor.github-issue-forms", forms[0]) == 1


def schema(name: str, *paths: Path) -> int:
    return subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", name, *map(str, paths)],
        capture_output=True,
        check=False,
    ).returncode


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("forge", FORGES)
def test_backstage_takes_the_catalog(forge: str, named: bool, tmp_path: Path) -> None:
    serving = ["realtime"] if named else ["batch"]
    answers = {"serving": serving, "owner": "Команда данных", "description": 'It\'s "late": #1'}
    host = {"organisation": True, "forge_host": "git.acme.com"}
    made = project(forge, "large", tmp_path, named=named, **answers, **host)
    entities = list(yaml.safe_load_all((made / "catalog-info.yaml").read_text()))
    kinds = [entity["kind"] for entity in entities]
    assert kinds == ["Component", *(["API"] if named else []), "Resource", "Resource"]
    assert problems(entities) == [None] * len(entities)
    references = {f"resource:default/{entity['metadata']['name']}" for entity in entities[-2:]}
    for entity in entities:
        assert set(entity["spec"].get("dependsOn", [])) <= references
    instance = entities[0]["metadata"].get("annotations")
    assert instance == ({"gitlab.com/instance": "git.acme.com"} if forge == "gitlab" else None)


def test_backstage_refuses_what_is_wrong(tmp_path: Path) -> None:
    made = project("github", "large", tmp_path)
    entities = list(yaml.safe_load_all((made / "catalog-info.yaml").read_text()))
    del entities[0]["spec"]["owner"]
    entities[1]["metadata"]["name"] = "my poc"
    entities[2]["apiVersion"] = "backstage.io/v2"
    assert [bool(problem) for problem in problems(entities)] == [True, True, True, False]


def test_the_first_project_has_owners_and_readers_of_its_contracts(tmp_path: Path) -> None:
    for named in (True, False):
        made = project("github", "large", tmp_path / str(named), named=named, serving=["batch"])
        done = subprocess.run(
            [sys.executable, "tools/consumers.py"], cwd=made, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
