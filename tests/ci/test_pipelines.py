"""tools/pipelines.py refuses what is not pinned, on the forges that have no linter of their own."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.git import commit_all, git
from support.rendering import render

CHECKS = {"gitlab": ".gitlab/ci/checks.yml", "azure_devops": ".azuredevops/checks.yml"}
OWN = {"gitlab": ".gitlab/ci/own.yml", "azure_devops": ".azuredevops/own.yml"}
SHA = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("projects")
    made = {forge: render({"ci": forge}, folder / forge / "my-poc") for forge in CHECKS}
    for project in made.values():
        commit_all(project)
    return made


def refused(project: Path) -> list[str]:
    """The lines that it ends with."""
    command = [sys.executable, "tools/pipelines.py"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode == 0) is (done.stderr == "")
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.fixture
def said(projects: dict[str, Path]) -> Iterator[Callable[[str, str], list[str]]]:
    """What it says when there is one more file of pipelines, with this text."""

    def ask(forge: str, text: str) -> list[str]:
        (projects[forge] / OWN[forge]).write_text(text, encoding="utf-8")
        return refused(projects[forge])

    yield ask
    for forge, name in OWN.items():
        (projects[forge] / name).unlink(missing_ok=True)


Said = Callable[[str, str], list[str]]


@pytest.mark.parametrize("forge", CHECKS)
def test_it_takes_the_pipelines_as_they_are(forge: str, projects: dict[str, Path]) -> None:
    assert refused(projects[forge]) == []


IMAGE = "name a version that stays, like python:3.12.4"
INCLUDES = "include:\n  - "
PROJECT = "include of acme/ci: its ref is to be a full SHA, or a version"
REMOTE = "include of https://example.com/a.yml: name a full SHA in its URL, or its integrity"
TRIGGER = "own:\n  trigger:\n    include:\n      - project: acme/ci\n        ref: v1\n"
LATEST = "docker.io/acme/python:latest"
GITLAB = {
    ".own:\n  image: python\n": f".own: image python: {IMAGE}",
    "own:\n  image: {name: python}\n": f"own: image python: {IMAGE}",
    f"own:\n  image: {LATEST}\n": f"own: image {LATEST}: {IMAGE}",
    "own:\n  image: registry.example.com:5000/python\n": (
        f"own: image registry.example.com:5000/python: {IMAGE}"
    ),
    "own:\n  image: {name: python, entrypoint: ['']}\n": f"own: image python: {IMAGE}",
    "own:\n  services: [postgres]\n": f"own: image postgres: {IMAGE}",
    "own:\n  services:\n    - name: postgres:latest\n      alias: db\n": (
        f"own: image postgres:latest: {IMAGE}"
    ),
    "own:\n  image: $IMAGE\n": f"own: image $IMAGE: {IMAGE}",
    f"{INCLUDES}{{project: acme/ci, ref: main, file: a.yml}}\n": f"top: {PROJECT}",
    f"{INCLUDES}{{project: acme/ci, file: a.yml}}\n": f"top: {PROJECT}",
    f"{INCLUDES}component: $CI_SERVER_FQDN/acme/ci/scan@~latest\n": (
        "top: include of $CI_SERVER_FQDN/acme/ci/scan@~latest: end it with @ and a full SHA, "
        "or a version"
    ),
    f"{INCLUDES}component: gitlab.com/acme/ci/scan@1\n": (
        "top: include of gitlab.com/acme/ci/scan@1: end it with @ and a full SHA, or a version"
    ),
    f"{INCLUDES}remote: https://example.com/a.yml\n": f"top: {REMOTE}",
    "include: https://example.com/a.yml\n": f"top: {REMOTE}",
    TRIGGER: f"own.trigger: {PROJECT}",
}
GITLAB_TAKES = [
    "own:\n  image: python:3.12.4\n",
    f"own:\n  image: python@sha256:{'0' * 64}\n",
    "own:\n  image: registry.example.com:5000/acme/python:3\n",
    "own:\n  services: [postgres:17.2]\n  script: [!reference [.python, script]]\n",
    f"{INCLUDES}{{project: acme/ci, ref: {SHA}, file: a.yml}}\n",
    f"{INCLUDES}component: gitlab.com/acme/ci/scan@1.2.3\n",
    f"{INCLUDES}remote: https://example.com/{SHA}/a.yml\n",
    f"{INCLUDES}{{remote: https://example.com/a.yml, integrity: sha256-abc}}\n",
    "include: .gitlab/ci/own.yml\n",
    f"{INCLUDES}template: Jobs/SAST.gitlab-ci.yml\n",
]


@pytest.mark.parametrize("text", GITLAB)
def test_gitlab_what_is_not_pinned_is_refused(text: str, said: Said) -> None:
    assert said("gitlab", text) == [f"{OWN['gitlab']}: {GITLAB[text]}"]


@pytest.mark.parametrize("text", GITLAB_TAKES)
def test_gitlab_what_is_pinned_is_taken(text: str, said: Said) -> None:
    assert said("gitlab", text) == []


def test_gitlab_a_folder_that_no_rule_names_is_refused(tmp_path: Path) -> None:
    project = render({"ci": "gitlab"}, tmp_path / "my-poc")
    commit_all(project)
    for name in ("größe/a.py", "docs/new/a.md", ".gitlab/issue_templates/a.md"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text("")
    assert refused(project) == []
    git(project, "add", "--all")
    told = f"{CHECKS['gitlab']}: .code.rules: a change in größe/ is tested by no job"
    assert refused(project) == [told]
    with (project / OWN["gitlab"]).open("w") as file:
        file.write("own:\n  rules:\n    - changes: {paths: [größe/**/*], compare_to: main}\n")
    assert refused(project) == []


RESOURCES = "resources:\n  "
REPOSITORIES = f"{RESOURCES}repositories:\n    - repository: ci\n"
REPOSITORY = (
    "resources.repositories[1]: repository ci: its ref is to be a full SHA, or refs/tags/VERSION"
)
AZURE = {
    "steps:\n  - task: Docker\n": "steps[1]: task Docker: name a version, like Docker@1",
    "stages:\n  - ${{ if true }}:\n      - task: Bash@\n": (
        "stages[1].${{ if true }}[1]: task Bash@: name a version, like Bash@1"
    ),
    "own: {vmImage: ubuntu-latest}\n": (
        "own: vmImage ubuntu-latest: name a version, like ubuntu-24.04"
    ),
    "own:\n  container: acme/python\n": f"own: image acme/python: {IMAGE}",
    "own:\n  container: python:latest\n": f"own: image python:latest: {IMAGE}",
    "own:\n  container:\n    image: acme/python:latest\n": (
        f"own.container: image acme/python:latest: {IMAGE}"
    ),
    f"{RESOURCES}containers:\n    - container: db\n      image: postgres\n": (
        f"resources.containers[1]: image postgres: {IMAGE}"
    ),
    f"{REPOSITORIES}      name: acme/ci\n": REPOSITORY,
    f"{REPOSITORIES}      ref: refs/heads/main\n": REPOSITORY,
}
AZURE_TAKES = [
    "own:\n  - task: Docker@2\n  - task: Docker@2.243.1\n",
    "own: {vmImage: ubuntu-24.04, container: db}\n",
    "own:\n  container: acme/python:3.12.4\n",
    f"{REPOSITORIES}      ref: refs/tags/v1.2.3\n",
    f"{REPOSITORIES}      ref: {SHA}\n",
]


@pytest.mark.parametrize("text", AZURE)
def test_azure_what_is_not_pinned_is_refused(text: str, said: Said) -> None:
    assert said("azure_devops", text) == [f"{OWN['azure_devops']}: {AZURE[text]}"]


@pytest.mark.parametrize("text", AZURE_TAKES)
def test_azure_what_is_pinned_is_taken(text: str, said: Said) -> None:
    assert said("azure_devops", text) == []


@pytest.mark.parametrize("forge", CHECKS)
def test_a_file_that_is_no_yaml_is_one_line(forge: str, said: Said) -> None:
    [line] = said(forge, "a: [\n")
    assert line.startswith(f"{OWN[forge]}: line 2: ")
