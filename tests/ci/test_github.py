"""Pipelines of GitHub: linted for many answers, and really run for a project as it is emitted.

The steps of a job run on this machine, by `act`. What others run, and what only GitHub has, is left
out: what actions do, machines, containers for jobs, its registry and its signatures.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci import acting, going
from ci.acting import Ran, act
from project.conftest import run
from support import ROOT, stand_in
from support.containers import World
from support.git import commit_all, git
from support.images import stand_ins
from support.rendering import render

pytestmark = pytest.mark.xdist_group("github")
ORGANISATION = {
    "organisation": True,
    "ca_bundle": "/etc/ssl/certs/ca-certificates.crt",
    "forge_host": "git.example.com",
    "image_registry": "registry.example.com/mirror",
    "package_index": "https://packages.example.com/simple",
    "runner_label": "linux-ml",
}
ANSWERS: dict[str, dict[str, Any]] = {
    "default": {},
    "aws": {"cloud": "aws", "data_sources": ["object_store"]},
    "azure": {"cloud": "azure", "serving": ["batch"]},
    "gcp": {"cloud": "gcp", "team_size": "large", "platform_owners": "@acme/platform"},
    "hybrid": {"cloud": "hybrid", "public_cloud": "aws", "team_size": "small", **ORGANISATION},
    "organisation": ORGANISATION,
}
WORKFLOWS = ("checks", "scheduled", "release")
# Those that text leaves out.
ON_CODE = ("alerts", "data", "image", "loop", "tests")
PYTHON = "3.12"
# Where nobody answers.
NOBODY = "http://127.0.0.1:9"


def environment() -> dict[str, str]:
    """The PATH with the programs that these tests are installed with."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {**os.environ, "PATH": path}


def lint(project: Path) -> str:
    """What zizmor and actionlint find."""
    config = project.parent / f"{project.name}-actionlint.yaml"
    config.write_text("self-hosted-runner:\n  labels: [linux-ml]\n")
    workflows = sorted(map(str, project.glob(".github/workflows/*.yml")))
    said = ""
    for command in (
        ["zizmor", "--offline", "--quiet", ".github"],
        ["actionlint", "-config-file", str(config), *workflows],
    ):
        done = subprocess.run(
            command, cwd=project, env=environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            said += done.stdout + done.stderr
    return said


def content(project: Path, workflow: str) -> dict[str, Any]:
    path = project / f".github/workflows/{workflow}.yml"
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")))


# What is written --------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", ANSWERS)
def test_linters_find_nothing(answers: str, tmp_path: Path) -> None:
    project = render(ANSWERS[answers], tmp_path / "my-poc")
    assert lint(project) == ""
    for workflow in WORKFLOWS:
        for job in content(project, workflow)["jobs"]:
            going.proved("github", job, "validated")


def test_linters_find_nothing_here() -> None:
    assert lint(ROOT) == ""


FAULTS = {
    "a job that is not there": ("needs: scope", "needs: scoop", "scoop"),
    "text of others in a script": (
        "run: .venv/bin/uv run nox -s tests",
        "run: echo ${{ github.event.pull_request.title }}",
        "template-injection",
    ),
    "a name that can be moved": (
        "@3d3c42e5aac5ba805825da76410c181273ba90b1",
        "@v7",
        "unpinned-uses",
    ),
    "more rights than needed": (
        "permissions:\n      contents: read",
        "permissions: write-all",
        "excessive-permissions",
    ),
    "a matrix without the value": ("matrix.python }}", "matrix.pythons }}", "pythons"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_linters_find_a_fault(fault: str, tmp_path: Path) -> None:
    project = render({}, tmp_path / "my-poc")
    old, new, said = FAULTS[fault]
    path = project / ".github/workflows/checks.yml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert said in lint(project)


@pytest.mark.parametrize("folder", ["template", "here"])
def test_actions_are_pinned_and_say_their_version(folder: str, tmp_path: Path) -> None:
    """The same version everywhere, in this repository as well."""
    project = ROOT if folder == "here" else render(ANSWERS["hybrid"], tmp_path / "my-poc")
    lines = [
        line.strip()
        for path in project.glob(".github/**/*.yml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line and "uses: ./" not in line
    ]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
    here = {line.partition("uses: ")[2] for line in lines}
    assert len({use.partition("@")[0] for use in here}) == len(here)


@pytest.mark.parametrize("workflow", WORKFLOWS)
@pytest.mark.parametrize("answers", ["default", "hybrid"])
def test_jobs_have_few_rights_and_an_end(answers: str, workflow: str, tmp_path: Path) -> None:
    said = content(render(ANSWERS[answers], tmp_path / "my-poc"), workflow)
    assert said["permissions"] == {}
    for name, job in said["jobs"].items():
        assert job["timeout-minutes"] > 0, name
        assert job["permissions"], name
        if workflow == "checks":
            assert job["permissions"] == {"contents": "read"}
        for step in job["steps"]:
            # What people write reaches a script by its environment, if at all.
            assert "${{" not in step.get("run", ""), step
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, name


def test_what_the_organisation_says_is_used(tmp_path: Path) -> None:
    project = render(ANSWERS["hybrid"], tmp_path / "my-poc")
    for workflow in WORKFLOWS:
        said = content(project, workflow)
        assert {job["runs-on"] for job in said["jobs"].values()} == {"linux-ml"}
        assert said["env"]["UV_DEFAULT_INDEX"] == ORGANISATION["package_index"]
        assert said["env"]["PIP_CERT"] == said["env"]["SSL_CERT_FILE"] == ORGANISATION["ca_bundle"]
    assert content(project, "release")["env"]["REGISTRY"] == "containers.git.example.com"


# What runs: the project as it is emitted --------------------------------------------------------

JOBS = ("lint", "scans", "tests", "data", "alerts", "loop")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return going.pushed("github", tmp_path_factory.mktemp("github") / "my-poc")


def first_push(project: Path, folder: Path, job: str, **more: Any) -> Ran:
    ran = act(project, folder, "push", acting.push(project, before=""), job=job, **more)
    assert ran.code == 0, ran.output[-6000:]
    return ran


@pytest.mark.parametrize("job", going.shared_out("github", JOBS))
def test_first_push_is_green(project: Path, tmp_path: Path, job: str) -> None:
    """As a newcomer pushes it: there is no commit to compare with."""
    ran = first_push(project, tmp_path / "runner", job, python=PYTHON if job == "tests" else "")
    expected = f"tests ({PYTHON})" if job == "tests" else job
    assert ran.jobs[expected] == "success"
    assert any("nox -s" in command for command in ran.commands[expected])
    if job == "loop":
        report = ran.artifacts / "change/change.md"
        assert report.stat().st_size > 0
        assert "<html" in report.with_suffix(".html").read_text(encoding="utf-8")
    going.proved("github", job, "executed")
    going.proved("github", "scope", "executed")


@pytest.mark.xdist_group("containers")
def test_image_is_green(project: Path, tmp_path: Path) -> None:
    """In a world with an engine, on images that stand in for those of a registry."""
    with World() as world:
        stand_ins(world)

        def inside(command: list[str], folder: Path, env: dict[str, str]) -> tuple[int, str]:
            return world.try_(*command, cwd=folder, timeout=1800, **env)

        ran = first_push(
            project, tmp_path / "runner", "image", run=inside, PYTHON_IMAGE=stand_in.BASE
        )
    assert ran.jobs == {"scope": "success", "image": "success"}
    document = json.loads((ran.artifacts / "sbom/sbom.cdx.json").read_text(encoding="utf-8"))
    types = [component["type"] for component in document["components"]]
    assert types.count("machine-learning-model") == 1
    going.proved("github", "image", "executed")


# What runs: defects, on a project whose slow parts are cut ---------------------------------------


SETUP = """\
name: Set up
description: Stands for it, with what is installed already
inputs:
  cache: {required: false}
  python-version: {required: false}
runs:
  using: composite
  steps:
    - run: ln -s "$INSTALLED" .venv
      shell: bash
"""


def link_setup(project: Path) -> Path:
    """Let all jobs of a project have one environment, in which uv brings only the project anew."""
    (project / ".github/actions/setup/action.yml").write_text(SETUP)
    commit_all(project, "Install nothing")
    git(project, "push", "--quiet", "origin", "main")
    return project


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("quick") / "my-poc"
    return link_setup(going.pushed("github", folder, quick=True))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("installed") / "my-poc"
    project = going.pushed("github", folder, quick=True)
    install = ".venv/bin/pip install --quiet --require-hashes --requirement tools/uv.txt"
    run(project, f"python3 -m venv .venv && {install} && .venv/bin/uv sync --quiet --locked")
    return {"INSTALLED": str(project / ".venv")}


def change(project: Path, folder: Path, shared: dict[str, str], job: str = "") -> Ran:
    """A pull request of what is checked out."""
    payload = acting.pull_request(project)
    return act(
        project,
        folder,
        "pull_request",
        payload,
        job=job,
        python=PYTHON,
        noted=("apt-get",),
        **shared,
    )


@pytest.mark.parametrize("defect", going.sampled("github"))
def test_defect_turns_its_job_red(
    quick: Path, tmp_path: Path, shared: dict[str, str], defect: str
) -> None:
    if defect == "worse model":
        quick = going.pushed("github", tmp_path / "my-poc", quick=True)
        going.restore(quick, "change.py")
        link_setup(quick)
    job = going.seed(quick, defect)
    ran = change(quick, tmp_path / "runner", shared)
    every = {"scope", "lint", "scans", "data", "alerts", "loop", "image", f"tests ({PYTHON})"}
    assert ran.jobs.keys() == every, ran.output[-6000:]
    red = {name.partition(" ")[0] for name in ran.red()}
    assert red == ({"lint", "scans", *ON_CODE} if job == going.EVERY else {job}), ran.output[-6000:]
    assert ran.code == 1
    if job == "loop":
        assert (ran.artifacts / "change/change.md").exists()


def test_audit_that_can_ask_nobody_is_red(
    quick: Path, tmp_path: Path, shared: dict[str, str]
) -> None:
    going.propose(quick, "Ask nobody", lambda project: going.ask(project, NOBODY))
    ran = change(quick, tmp_path / "runner", shared, "scans")
    assert ran.jobs == {"scans": "failure"}
    assert "secrets: success" in ran.output
    assert "audit: failed" in ran.output


def write(path: str, text: str) -> Any:
    """What appends this to a file of a project."""

    def append(project: Path) -> None:
        with (project / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return append


def test_text_trains_no_model(quick: Path, tmp_path: Path, shared: dict[str, str]) -> None:
    going.propose(quick, "Say more", write("docs/runbook.md", "\nMore.\n"))
    ran = change(quick, tmp_path / "runner", shared)
    assert ran.code == 0, ran.output[-6000:]
    assert ran.jobs.keys() == {"scope", "lint", "scans", f"tests ({PYTHON})"}
    # It reports, so that a rule which requires it is content, but does nothing.
    assert f"tests ({PYTHON})" not in ran.commands


@pytest.mark.parametrize(
    ("path", "text", "code"),
    [
        ("notebooks/more.ipynb", "{}\n", "false"),
        ("README.md", "\nMore.\n", "false"),
        (".github/CODEOWNERS", "* @acme/ml\n", "false"),
        ("docs/charter.md", "\nMore.\n", "true"),  # which the loop reads
        ("params.yaml", "\n", "true"),
        (".github/workflows/checks.yml", "# more\n", "true"),
    ],
)
def test_scope(quick: Path, tmp_path: Path, path: str, text: str, code: str) -> None:
    going.propose(quick, "More", write(path, text))
    ran = change(quick, tmp_path / "runner", {}, "scope")
    base = git(quick, "rev-parse", "main")
    assert f"more than text since {base}: {code}" in ran.output


def test_push_of_several_commits_is_looked_at_as_a_whole(quick: Path, tmp_path: Path) -> None:
    git(quick, "checkout", "--quiet", "-B", "several", "main")
    for path in ("params.yaml", "README.md"):
        write(path, "\n")(quick)
        commit_all(quick)
    for before, code in (("HEAD~2", "true"), ("HEAD~1", "false")):
        payload = acting.push(quick, before=before)
        ran = act(quick, tmp_path / "runner", "push", payload, job="scope")
        assert f"{payload['before']}: {code}" in ran.output
    # History was rewritten: what was there is not in the clone.
    ran = act(quick, tmp_path / "runner", "push", {"before": "1" * 40}, job="scope")
    assert "more than text since the beginning: true" in ran.output


# What runs: schedules and releases ----------------------------------------------------------------


@pytest.mark.parametrize("job", ["observe", "retrain", "dependencies"])
def test_scheduled(quick: Path, tmp_path: Path, shared: dict[str, str], job: str) -> None:
    """Before there are shared stores, and with the newest packages, each has nothing to do."""
    git(quick, "checkout", "--quiet", "main")
    ran = act(
        quick,
        tmp_path / "runner",
        "workflow_dispatch",
        {"inputs": {"job": job}},
        workflow="scheduled",
        noted=("gh",),
        secrets={"SOURCES_ENV": "A=1", "GITHUB_TOKEN": "none"},
        **shared,
    )
    assert ran.code == 0, ran.output[-6000:]
    assert ran.jobs == {job: "success"}
    said = "newest packages already" if job == "dependencies" else f"nothing to {job}"
    assert said in ran.output
    assert "gh workflow run" not in ran.stubs
    going.proved("github", job, "executed")


IMAGES = [f"ghcr.io/acme/my-poc/{target}@sha256:{digit * 64}" for target, digit in
          (("serve", "a"), ("job", "b"))]  # fmt: skip
PUBLISH = "import pathlib; pathlib.Path('reports/images.txt').write_text({text!r})\n"


def test_release(tmp_path: Path, shared: dict[str, str]) -> None:
    """Its steps in order; images, signatures and the release itself are not made."""
    project = link_setup(going.pushed("github", tmp_path / "my-poc", quick=True))
    text = "".join(f"{image}\n" for image in IMAGES)
    (project / "tools/publish.py").write_text(PUBLISH.format(text=text))
    commit_all(project, "Publish nothing")
    git(project, "tag", "v0.1.0")
    ran = act(
        project,
        tmp_path / "runner",
        "push",
        {"ref": "refs/tags/v0.1.0", "repository": {"private": False}},
        workflow="release",
        noted=("cosign", "docker", "gh"),
        secrets={"GITHUB_TOKEN": "none"},
        **shared,
    )
    assert ran.code == 0, ran.output[-6000:]
    assert ran.jobs == {"publish": "success", "announce": "success"}
    for image in IMAGES:
        assert f"cosign sign --yes {image}\n" in ran.stubs
        assert re.search(f"cosign attest .*--predicate reports/sbom.cdx.json {image}\n", ran.stubs)
    assert '"subject-checksums": "reports/subjects.txt"' in ran.stubs
    assert "gh release create v0.1.0 images.txt sbom.cdx.json" in ran.stubs
    assert "v0.1.0" in (ran.artifacts / "release/notes.md").read_text(encoding="utf-8")


def test_tag_that_is_not_the_version_releases_nothing(
    quick: Path, tmp_path: Path, shared: dict[str, str]
) -> None:
    git(quick, "checkout", "--quiet", "main")
    git(quick, "tag", "--force", "v9.9.9")
    ran = act(
        quick,
        tmp_path / "runner",
        "push",
        {"ref": "refs/tags/v9.9.9"},
        workflow="release",
        noted=("cosign", "docker", "gh"),
        secrets={"GITHUB_TOKEN": "none"},
        **shared,
    )
    git(quick, "tag", "--delete", "v9.9.9")
    assert ran.jobs == {"publish": "failure"}
    assert "the version is 0.1.0" in ran.output
    assert not any(word in ran.stubs for word in ("cosign", "docker", "gh release"))
