"""The pipelines of Azure DevOps: valid, resolved to the last name, and executed."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.going import (
    DEFECTS,
    EVERY,
    _replace,
    propose,
    proved,
    pushed,
    restore,
    runner,
    sampled,
    seed,
)
from support.azure_expressions import RefusedError, evaluate
from support.azure_machine import Machine, Ran
from support.azure_pipelines import Pipeline, Step, read
from support.git import commit_all, git
from support.rendering import render

pytestmark = pytest.mark.xdist_group("azure")
PIPELINES = ("checks", "scheduled", "release")
ORGANISATION = {
    "organisation": True,
    "package_index": "https://packages.example.com/simple",
    "ca_bundle": "/etc/ssl/certs/example.pem",
    "image_registry": "registry.example.com/mirror",
    "runner_label": "linux-ml",
}
PROJECTS: list[dict[str, Any]] = [
    {},
    {"cloud": "aws", "team_size": "small"},
    {"cloud": "azure", "data_sources": ["files", "sql"], **ORGANISATION},
    {"cloud": "gcp", "team_size": "large"},
    {"cloud": "hybrid", "serving": ["batch"]},
]
# What people write into connections.yml once they have made it.
CONNECTIONS = {
    "CLOUD_CONNECTION": "stores",
    "COSIGN_CONNECTION": "keys",
    "COSIGN_KEY": "azurekms://acme.vault.azure.net/releases",
    "GCP_IDENTITY_PROVIDER": "projects/7/locations/global/workloadIdentityPools/a/providers/b",
    "GCP_SERVICE_ACCOUNT": "poc@acme.iam.gserviceaccount.com",
    "REGISTRY": "acme.azurecr.io/my-poc",
    "REGISTRY_CONNECTION": "registry",
}
ONE_PYTHON = ("python312",)


def pipelines(answers: dict[str, Any], folder: Path) -> Path:
    return render({"ci": "azure_devops", **answers}, folder / "my-poc") / ".azuredevops"


# Valid --------------------------------------------------------------------------------------------


def known_to_schema(content: dict[str, Any]) -> dict[str, Any]:
    """Without what is younger than the schema, or comes from the marketplace and not from Azure."""

    def kept(steps: list[Any]) -> Iterator[Any]:
        for step in steps:
            [first] = list(step)[:1]
            if first.startswith("${{"):
                step = {first: list(kept(step[first]))}
                if not step[first]:
                    continue
            if step.get("task") == "AWSShellScript@1":
                continue
            step.get("inputs", {}).pop("allowNoSubscriptions", None)
            yield step

    return content | ({"steps": list(kept(content["steps"]))} if "steps" in content else {})


@pytest.mark.parametrize("answers", PROJECTS, ids=lambda given: given.get("cloud", "default"))
def test_schema(answers: dict[str, Any], tmp_path: Path) -> None:
    root, copies = pipelines(answers, tmp_path), tmp_path / "copies"
    copies.mkdir()
    files = [root / f"{name}.yml" for name in PIPELINES] + sorted((root / "steps").glob("*.yml"))
    for file in files:
        content = known_to_schema(yaml.safe_load(file.read_text(encoding="utf-8")))
        (copies / file.name).write_text(yaml.safe_dump(content), encoding="utf-8")
    # Files of variables have no schema: read() looks at what is in them.
    done = check_schema(*sorted(copies.glob("*.yml")))
    assert done.returncode == 0, done.stdout
    for name in PIPELINES:
        for job in read(root / f"{name}.yml").jobs:
            proved("azure_devops", job, "validated")


def check_schema(*files: Path) -> subprocess.CompletedProcess[str]:
    tool = Path(sys.executable).with_name("check-jsonschema")
    options = ["--regex-variant", "nonunicode", "--data-transform", "azure-pipelines"]
    command = [tool, "--builtin-schema", "vendor.azure-pipelines", *options, *files]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_schema_finds_a_slip(tmp_path: Path) -> None:
    root = pipelines({}, tmp_path)
    _replace(root / "checks.yml", "dependsOn", "dependOn")
    assert check_schema(root / "checks.yml").returncode == 1


# Resolved -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("answers", PROJECTS, ids=lambda given: given.get("cloud", "default"))
@pytest.mark.parametrize("connections", [{}, CONNECTIONS], ids=["none", "connections"])
def test_every_name_is_known(
    answers: dict[str, Any], connections: dict[str, str], tmp_path: Path
) -> None:
    root = pipelines(answers, tmp_path)
    for name in PIPELINES:
        assert read(root / f"{name}.yml", variables=connections).jobs
    for job in ("observe", "retrain", "dependencies", "template"):
        assert job in read(root / "scheduled.yml", {"job": job}, connections).jobs


SLIPS = {
    "job": ("checks", "dependsOn: scope", "dependsOn: scop"),
    "output": ("checks", "outputs['changed.code']", "outputs['changed.cod']"),
    "step of an output": ("checks", "outputs['changed.code']", "outputs['change.code']"),
    "output that no step sets": ("checks", "variable=base;", "variable=bas;"),
    "template": ("checks", "steps/setup.yml", "steps/set-up.yml"),
    "parameter": ("checks", 'depth: "0"', 'dept: "0"'),
    "parameter in a template": ("steps/setup", "parameters.depth", "parameters.dept"),
    "parameter that is not given": ("scheduled", "session: observe", "{}"),
    "variable": ("checks", "$(python)", "$(pythn)"),
    "variable of Azure": ("checks", "$(System.JobAttempt)", "$(System.JobAttemp)"),
    "variable of Azure in a script": ("checks", "$BUILD_REASON", "$BUILD_REASONS"),
    "variable in a condition": ("scheduled", "variables.JOB", "variables.JOBS"),
    "function": ("checks", "and(succeeded()", "also(succeeded()"),
    "bracket": ("checks", "'true'))", "'true')"),
    "task without a version": ("checks", "PublishPipelineArtifact@1", "PublishPipelineArtifact"),
    "input": ("checks", "targetPath", "tagetPath"),
    "key": ("checks", "displayName: Tests", "displayname: Tests"),
    "connection": ("release", "variables.COSIGN_CONNECTION", "variables.COSIGN_CONECTION"),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_is_found(slip: str, tmp_path: Path) -> None:
    root = pipelines({}, tmp_path)
    file, old, new = SLIPS[slip]
    _replace(root / f"{file}.yml", old, new)
    with pytest.raises(RefusedError):
        [read(root / f"{name}.yml") for name in PIPELINES]


def test_jobs_that_wait_for_each_other(tmp_path: Path) -> None:
    root = pipelines({}, tmp_path)
    _replace(root / "checks.yml", "  - job: scope\n", "  - job: scope\n    dependsOn: lint\n")
    _replace(root / "checks.yml", "  - job: lint\n", "  - job: lint\n    dependsOn: scope\n")
    project = root.parent
    commit_all(project)
    git(project, "clone", "--quiet", "--bare", ".", str(tmp_path / "origin"))
    machine = Machine(tmp_path / "machine", runner(tmp_path), tmp_path / "origin")
    with pytest.raises(RefusedError, match="wait for each other"):
        machine.run(read(root / "checks.yml"))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("eq('A', 'a')", True),
        ("ne('a', 'b')", True),
        ("and('a', not(''))", True),
        ("or('', false)", False),
        ("in('b', 'a', 'B')", True),
        ("coalesce('', variables.none, 'c')", "c"),
        ("eq('it''s', variables['its'])", True),
    ],
)
def test_expressions(expression: str, value: Any) -> None:
    known = {"its": "it's"}
    assert evaluate(expression, {"variables": lambda keys: known.get(keys[0])}) == value


# Executed -----------------------------------------------------------------------------------------


class Place:
    """A project whose long steps are cut, and a machine that knows it."""

    def __init__(self, folder: Path, *answers: str, quick: bool = True) -> None:
        self.project = pushed("azure_devops", folder / "my-poc", *answers, quick=quick)
        env = runner(folder / "runner")
        self.machine = Machine(folder / "machine", env, self.project.with_suffix(".git"))

    def checks(self, *, change: bool = False, **chosen: Any) -> dict[str, Ran]:
        """Run the checks of main, or of the pull request from the branch `change`."""
        source = self.project.parent / "read"
        shutil.rmtree(source, ignore_errors=True)
        branch = "change" if change else "main"
        origin = str(self.machine.origin)
        git(self.project, "clone", "--quiet", "--branch", branch, origin, str(source))
        pipeline = read(source / ".azuredevops/checks.yml")
        into = "main" if change else ""
        return self.machine.run(pipeline, branch, into, **chosen)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place(tmp_path_factory.mktemp("azure"))


def outcomes(ran: dict[str, Ran]) -> dict[str, str]:
    return {name: one.outcome for name, one in ran.items()}


def red(ran: dict[str, Ran]) -> set[str]:
    return {name for name, one in ran.items() if one.outcome != "succeeded" and " " not in name}


def logs(ran: dict[str, Ran]) -> str:
    return "\n".join(one.log[-4000:] for one in ran.values() if one.outcome == "failed")


def test_first_pipeline_is_green(place: Place) -> None:
    ran = place.checks()
    assert not red(ran), logs(ran)
    assert {"tests python311", "tests python312", "tests python313"} <= ran.keys()
    assert ran["loop"].summaries == ["No model was trained.\n"]
    files = {file.name for file in ran["loop"].artifacts["change-1"].iterdir()}
    assert files == {"change.html", "change.md"}
    assert (ran["image"].artifacts["sbom-1"] / "sbom.cdx.json").is_file()
    for name in ran:
        if " " not in name and name != "image":  # which is cut
            proved("azure_devops", name, "executed")


@pytest.mark.more
def test_whole_project_is_green(tmp_path: Path) -> None:
    """Nothing is cut but the images, which tests/watch builds: no base image is to be had here."""
    place = Place(tmp_path)
    git(place.project, "checkout", "--quiet", "main~1", "--", "tools/change.py", "pyproject.toml")
    (place.project / "tests/test_quick.py").unlink()
    commit_all(place.project, "Restore")
    git(place.project, "push", "--quiet", "origin", "main")
    ran = place.checks()
    assert not red(ran), logs(ran)


@pytest.mark.parametrize(
    "defect", sampled("azure_devops", [name for name in DEFECTS if name != "worse model"])
)
def test_defect_turns_its_job_red(defect: str, place: Place) -> None:
    job = seed(place.project, defect)
    ran = place.checks(change=True, legs=ONE_PYTHON)
    wanted = set(outcomes(ran)) - {"scope", "tests python312"} if job == EVERY else {job}
    assert red(ran) == wanted, logs(ran)


def test_worse_model_turns_the_loop_red(tmp_path: Path) -> None:
    place = Place(tmp_path)
    restore(place.project, "change.py", "change_report.py")
    job = seed(place.project, "worse model")
    ran = place.checks(change=True, legs=ONE_PYTHON)
    assert red(ran) == {job}, logs(ran)
    [summary] = ran["loop"].summaries
    assert "not worse" in summary.lower(), summary
    assert (ran["loop"].artifacts["change-1"] / "change.html").is_file()


MODEL_JOBS = {"tests", "data", "alerts", "loop", "image"}


def write_docs(project: Path) -> None:
    for name in ("README.md", "docs/roadmap.md", "notebooks/explore.ipynb"):
        with (project / name).open("a", encoding="utf-8") as file:
            file.write("\n")


def write_charter(project: Path) -> None:
    with (project / "docs/charter.md").open("a", encoding="utf-8") as file:
        file.write("\nMore.\n")


def write_params(project: Path) -> None:
    with (project / "params.yaml").open("a", encoding="utf-8") as file:
        file.write("\n# More.\n")


def test_docs_train_no_model(place: Place) -> None:
    propose(place.project, "Docs", write_docs)
    ran = place.checks(change=True, legs=ONE_PYTHON)
    assert {name for name, one in ran.items() if one.outcome == "skipped"} >= MODEL_JOBS
    assert {name for name, one in ran.items() if one.outcome == "succeeded"} == {
        "scope",
        "lint",
        "scans",
    }, logs(ran)


@pytest.mark.parametrize("write", [write_charter, write_params])
def test_what_the_loop_reads_is_no_text(write: Callable[[Path], None], place: Place) -> None:
    propose(place.project, "Change", write)
    scope = place.checks(change=True, jobs=["scope"])["scope"]
    assert scope.outputs["changed.code"] == "true"
    assert scope.outputs["changed.base"] == git(place.project, "rev-parse", "main")


def test_main_is_compared_with_what_was_found_good(tmp_path: Path) -> None:
    """A push may hold several commits, of which only the last one is text."""
    place = Place(tmp_path)
    start = git(place.project, "rev-parse", "main")
    az = place.machine.tools / "az"

    def pushed_to_main(write: Callable[[Path], None], good: str) -> str:
        write(place.project)
        commit_all(place.project)
        git(place.project, "push", "--quiet", "origin", "main")
        az.write_text(f"#!/bin/sh\n[ $AZURE_DEVOPS_EXT_PAT ] && echo {good}\n")
        az.chmod(0o755)
        return place.checks(jobs=["scope"])["scope"].outputs["changed.code"]

    assert pushed_to_main(write_docs, start) == "false"
    assert pushed_to_main(write_params, start) == "true"
    assert pushed_to_main(write_docs, start) == "true"
    assert pushed_to_main(write_docs, git(place.project, "rev-parse", "main~1")) == "false"
    assert pushed_to_main(write_docs, "0" * 40) == "true"
    assert pushed_to_main(write_docs, "") == "true"
    az.unlink()  # an agent without it
    assert place.checks(jobs=["scope"])["scope"].outputs["changed.code"] == "true"


# What the clock and tags start --------------------------------------------------------------------

STAND_IN = Step(
    "stands for the set-up",
    script="""\
mkdir -p .venv/bin reports
cat > .venv/bin/uv <<'END'
#!/bin/bash
echo "$*" >> "$BUILD_ARTIFACTSTAGINGDIRECTORY/sessions"
echo "SOURCES_ENV is ${SOURCES_ENV-not set}"
echo "SYSTEM_ACCESSTOKEN is ${SYSTEM_ACCESSTOKEN-not set}"
echo "AWS_SESSION_TOKEN is ${AWS_SESSION_TOKEN-not set}"
cat "${GOOGLE_APPLICATION_CREDENTIALS:-/dev/null}"
for name in images.txt notes.md sbom.cdx.json; do
  echo "registry/serve@sha256:7" > "reports/$name"
done
END
chmod +x .venv/bin/uv
""",
)


def without_setup(pipeline: Pipeline) -> Pipeline:
    """The pipeline with a stand-in for nox, which notes what it is asked for."""
    jobs = {
        name: replace(job, steps=(job.steps[0], STAND_IN, *job.steps[4:]))
        for name, job in pipeline.jobs.items()
    }
    return replace(pipeline, jobs=jobs)


def small(tmp_path: Path, answers: dict[str, Any]) -> tuple[Path, Machine]:
    """A project that is rendered and not installed, with a tag."""
    project = pipelines(answers, tmp_path).parent
    git(project, "init", "--quiet", "--initial-branch=main")
    commit_all(project)
    git(project, "tag", "v0.1.0")
    git(project, "clone", "--quiet", "--bare", ".", str(tmp_path / "origin"))
    commands = {
        "docker": '#!/bin/bash\necho "docker $*"\n'
        '[ $1 = cp ] && printf "#!/bin/bash\\necho cosign \\$*\\n" > $3 && chmod +x $3; true\n',
    }
    env = runner(tmp_path / "runner")
    return project, Machine(tmp_path / "machine", env, tmp_path / "origin", commands=commands)


def ran_by_the_clock(tmp_path: Path, answers: dict[str, Any], schedule: str) -> dict[str, Ran]:
    project, machine = small(tmp_path, answers)
    pipeline = read(project / ".azuredevops/scheduled.yml", variables={}, schedule=schedule)
    return machine.run(without_setup(pipeline))


@pytest.mark.parametrize(
    ("schedule", "jobs"),
    [("daily", {"observe"}), ("weekly", {"retrain", "dependencies", "template"})],
)
def test_schedule_runs_its_jobs(schedule: str, jobs: set[str], tmp_path: Path) -> None:
    ran = ran_by_the_clock(tmp_path, {}, schedule)
    assert {name for name, one in ran.items() if one.outcome == "succeeded"} == jobs
    assert {name for name, one in ran.items() if one.outcome == "skipped"} == ran.keys() - jobs
    for name in jobs:
        assert "SOURCES_ENV is not set" in ran[name].log
        token = "is a-token-of-the-run" if name in ("dependencies", "template") else "is not set"
        assert f"SYSTEM_ACCESSTOKEN {token}" in ran[name].log
        proved("azure_devops", name, "executed")


def test_every_schedule_has_a_job(tmp_path: Path) -> None:
    content = read(pipelines({}, tmp_path) / "scheduled.yml").content
    assert [one["displayName"] for one in content["schedules"]] == ["daily", "weekly"]


def test_by_hand_one_job_is_chosen(tmp_path: Path) -> None:
    project, machine = small(tmp_path, {})
    pipeline = read(project / ".azuredevops/scheduled.yml", {"job": "retrain"})
    ran = machine.run(without_setup(pipeline))
    assert {name for name, one in ran.items() if one.outcome == "succeeded"} == {"retrain"}
    with pytest.raises(RefusedError):
        read(project / ".azuredevops/scheduled.yml", {"job": "all"})


@pytest.mark.parametrize("cloud", ["aws", "gcp", "azure"])
def test_scheduled_jobs_are_logged_in(cloud: str, tmp_path: Path) -> None:
    project, machine = small(tmp_path, {"cloud": cloud})
    machine.variables["SOURCES_ENV"] = "PASSWORD=a secret\nUSER=me"
    file = project / ".azuredevops/scheduled.yml"
    alone = machine.run(without_setup(read(file, schedule="daily")))["observe"]
    assert alone.outcome == "succeeded", alone.log
    assert "AWS_SESSION_TOKEN is not set" in alone.log
    assert "external_account" not in alone.log
    pipeline = read(file, variables=CONNECTIONS, schedule="daily")
    ran = machine.run(without_setup(pipeline))["observe"]
    assert ran.outcome == "succeeded", ran.log
    assert "SOURCES_ENV is PASSWORD=a secret\nUSER=me\n" in ran.log
    if cloud == "aws":
        assert "AWS_SESSION_TOKEN is a-token" in ran.log
    if cloud == "gcp":
        [shown] = re.findall(r"^\{.*?^\}", ran.log, re.MULTILINE | re.DOTALL)
        credentials = json.loads(shown)
        audience = f"//iam.googleapis.com/{CONNECTIONS['GCP_IDENTITY_PROVIDER']}"
        assert credentials["audience"] == audience
        assert Path(credentials["credential_source"]["file"]).read_text() == "an-id-token"
    task = {"aws": "AWSShellScript@1", "gcp": "AzureCLI@2", "azure": "AzureCLI@2"}[cloud]
    assert pipeline.jobs["observe"].steps[-1].task == task


def test_release(tmp_path: Path) -> None:
    project, machine = small(tmp_path, {})
    pipeline = read(project / ".azuredevops/release.yml", variables=CONNECTIONS)
    assert pipeline.jobs["release"].environment == "release"
    ran = machine.run(without_setup(pipeline), "v0.1.0")["release"]
    assert ran.outcome == "succeeded", ran.log
    files = ran.artifacts["release-1"]
    assert (files / "sessions").read_text().splitlines() == [
        "run nox -s release",
        "run nox -s image probe sbom",
        "run nox -s publish -- acme.azurecr.io/my-poc",
    ]
    assert "logged in by registry" in ran.log
    key = "--yes --key azurekms://acme.vault.azure.net/releases --tlog-upload=false"
    image = "registry/serve@sha256:7"
    assert re.findall(r"^cosign (.*)", ran.log, re.MULTILINE) == [
        f"sign {key} {image}",
        f"attest {key} --type cyclonedx --predicate reports/sbom.cdx.json {image}",
        f"attest {key} --type slsaprovenance1 --predicate reports/provenance.json {image}",
    ]
    provenance = json.loads((files / "provenance.json").read_text())
    [source] = provenance["buildDefinition"]["resolvedDependencies"]
    assert source["digest"] == {"gitCommit": git(project, "rev-parse", "v0.1.0^{commit}")}
    assert source["uri"].endswith("@refs/tags/v0.1.0")
    assert ran.summaries
    proved("azure_devops", "release", "executed")


@pytest.mark.parametrize(
    "missing", ["REGISTRY", "REGISTRY_CONNECTION", "COSIGN_KEY", "COSIGN_CONNECTION"]
)
def test_release_needs_its_connections(missing: str, tmp_path: Path) -> None:
    project, machine = small(tmp_path, {})
    given = {name: value for name, value in CONNECTIONS.items() if name != missing}
    pipeline = read(project / ".azuredevops/release.yml", variables=given)
    ran = machine.run(without_setup(pipeline), "v0.1.0")["release"]
    assert ran.outcome == "failed"
    assert f".azuredevops/connections.yml is without: {missing}\n" in ran.log
    assert "nox" not in ran.log
    assert "docker" not in ran.log
