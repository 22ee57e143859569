"""The pipelines of GitLab: what starts which jobs, and jobs that really run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ci.gitlab_runner import GitLab
from ci.going import DEFECTS, EVERY, propose, proved, pushed, restore, sampled, seed, shared_out
from support import stand_in
from support.containers import World
from support.git import commit_all, git
from support.images import stand_ins
from support.pythons import PYTHONS
from support.rendering import render

pytestmark = pytest.mark.xdist_group("gitlab")
FILES = (
    ".gitlab-ci.yml",
    *(f".gitlab/ci/{name}.yml" for name in ("checks", "scheduled", "release")),
)
TESTS = [f"tests: [{version}]" for version in PYTHONS]
ALWAYS = ["lint", "scans"]
OF_CODE = [*TESTS, "data", "alerts", "loop", "images"]
SCHEDULED = ["observe", "retrain", "dependencies", "template"]
RELEASE = ["publish", "sign", "announce"]
ORGANISATION = {
    "organisation": True,
    "package_index": "https://packages.example.com/simple",
    "ca_bundle": "/etc/ssl/certs/acme.pem",
    "image_registry": "registry.example.com/mirror",
    "runner_label": "linux-ml",
    "forge_host": "git.example.com",
}
ANSWERS: dict[str, dict[str, Any]] = {
    "default": {},
    "aws": {"cloud": "aws", "team_size": "small"},
    "gcp": {"cloud": "gcp", "data_sources": ["sql", "stream"], "team_size": "large"},
    "azure": {"cloud": "azure", "serving": ["batch"]},
    "hybrid": {"cloud": "hybrid", "public_cloud": "azure", **ORGANISATION},
    "organisation": ORGANISATION,
}
TEXT = r"docs/(?!charter\.md)|notebooks/|[^/]+\.md$|\.gitlab/(?!ci/)"
FULL = os.environ.get("DAYONE_FULL") == "1"


class Tags(yaml.SafeLoader):
    """YAML with what GitLab adds."""


Tags.add_constructor("!reference", lambda loader, node: loader.construct_sequence(node))


@pytest.fixture
def gitlab(tmp_path: Path) -> GitLab:
    return GitLab(tmp_path / "gitlab")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project as it is emitted."""
    return pushed("gitlab", tmp_path_factory.mktemp("whole") / "my-poc")


@pytest.fixture
def quick(tmp_path: Path) -> Path:
    return pushed("gitlab", tmp_path / "my-poc", quick=True)


def committed(folder: Path, answers: dict[str, Any]) -> Path:
    """A project with these answers, and an origin that it is pushed to; nothing is installed."""
    project = render({"ci": "gitlab", **answers}, folder / "my-poc")
    (project / "uv.lock").touch()
    git(project, "init", "--quiet", "--initial-branch=main")
    commit_all(project)
    git(project, "clone", "--quiet", "--bare", str(project), str(folder / "my-poc.git"))
    git(project, "remote", "add", "origin", str(folder / "my-poc.git"))
    git(project, "fetch", "--quiet", "origin")
    return project


# What is valid ----------------------------------------------------------------------------------


def check_schema(path: Path) -> subprocess.CompletedProcess[str]:
    schema = ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci")
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("answers", ANSWERS)
def test_each_file_follows_the_schema(answers: str, tmp_path: Path) -> None:
    project = render({"ci": "gitlab", **ANSWERS[answers]}, tmp_path / "my-poc")
    for name in FILES:
        done = check_schema(project / name)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_is_looked_at(tmp_path: Path) -> None:
    project = render({"ci": "gitlab"}, tmp_path / "my-poc")
    checks = project / ".gitlab/ci/checks.yml"
    checks.write_text(checks.read_text().replace("  script:", "  scripts:", 1))
    assert check_schema(checks).returncode == 1


@pytest.mark.parametrize("answers", ANSWERS)
def test_each_job_has_a_limit_and_a_pinned_image(answers: str, tmp_path: Path) -> None:
    project = render({"ci": "gitlab", **ANSWERS[answers]}, tmp_path / "my-poc")
    loaded = [yaml.load((project / name).read_text(), Tags) for name in FILES]  # noqa: S506
    known = {name: job for content in loaded for name, job in content.items()}
    for name in [*ALWAYS, *OF_CODE, *SCHEDULED, *RELEASE]:
        job = known[name.partition(":")[0]]
        assert re.fullmatch(r"\d+ (minutes|hours?)", job["timeout"]), name
        image = expanded(job, known)["image"]
        assert re.search(r":v?[$\d]\S*$", image), image
        if "image_registry" in ANSWERS[answers]:
            assert image.startswith("registry.example.com/mirror/")
    assert ("tags" in known.get("default", {})) is ("runner_label" in ANSWERS[answers])
    for name in known:
        if not name.startswith(".") and "script" in known[name]:
            # What the others call `image` is a word of GitLab's language.
            proved("gitlab", {"images": "image"}.get(name, name), "validated")


def expanded(job: dict[str, Any], known: dict[str, Any]) -> dict[str, Any]:
    """A job with what it extends, of which the last one wins."""
    parents = job.get("extends", [])
    merged: dict[str, Any] = {}
    for parent in [parents] if isinstance(parents, str) else parents:
        merged |= expanded(known[parent], known)
    return merged | job


# What starts what -------------------------------------------------------------------------------


def test_a_first_push_starts_all_checks(gitlab: GitLab, tmp_path: Path) -> None:
    project = committed(tmp_path, {})
    assert gitlab.jobs(project, "--no-evaluate-rule-changes") == [*ALWAYS, *OF_CODE]


def test_sources_and_stores_are_tested_where_there_are_any(gitlab: GitLab, tmp_path: Path) -> None:
    project = committed(tmp_path, {"cloud": "azure"})
    jobs = gitlab.jobs(project, "--no-evaluate-rule-changes")
    assert jobs == [*ALWAYS, *TESTS, "data", "integration", "alerts", "loop", "images"]


def test_a_change_of_text_trains_no_model(gitlab: GitLab, tmp_path: Path) -> None:
    project = committed(tmp_path, {"team_size": "large"})
    texts = [name for name in git(project, "ls-files").splitlines() if re.match(TEXT, name)]
    assert {"README.md", "docs/runbook.md", "notebooks/explore.ipynb"} < set(texts)

    def edit(project: Path) -> None:
        for name in texts:
            with (project / name).open("a") as file:
                file.write("\n")

    propose(project, "Text", edit)
    assert gitlab.jobs_of_change(project) == ALWAYS


@pytest.mark.parametrize("answers", ["default", "gcp", "hybrid"])
def test_a_change_of_any_other_file_does(answers: str, tmp_path: Path) -> None:
    """By the rules as Ruby reads them, which is what GitLab does."""
    project = committed(tmp_path, ANSWERS[answers])
    rules = yaml.load((project / FILES[1]).read_text(), Tags)[".code"]["rules"]  # noqa: S506
    [patterns] = [rule["changes"] for rule in rules]
    for name in git(project, "ls-files").splitlines():
        text = re.match(TEXT, name)
        assert any(map(as_ruby(name), patterns)) is (text is None), name


def as_ruby(name: str) -> Any:
    """Whether a pattern matches, as File.fnmatch does with FNM_PATHNAME and FNM_DOTMATCH."""

    def matches(pattern: str) -> bool:
        steps = {"**/": "(?:[^/]+/)*", "*": "[^/]*", ".": r"\."}
        parts = re.findall(r"\*\*/|\[[^]]+\]|.", pattern)
        return re.fullmatch("".join(steps.get(part, part) for part in parts), name) is not None

    return matches


def test_a_change_of_code_starts_all_checks(gitlab: GitLab, tmp_path: Path) -> None:
    project = committed(tmp_path, {})
    propose(project, "Code", lambda project: (project / "params.yaml").write_text("data: {}\n"))
    assert gitlab.jobs_of_change(project) == [*ALWAYS, *OF_CODE]


def test_a_branch_without_a_merge_request_starts_nothing(gitlab: GitLab, tmp_path: Path) -> None:
    project = committed(tmp_path, {})
    propose(project, "Code", lambda project: (project / "params.yaml").write_text("data: {}\n"))
    assert gitlab.jobs(project) == []


@pytest.mark.parametrize("answers", ["default", "aws", "gcp", "azure"])
def test_a_schedule_starts_the_job_that_it_names(
    answers: str, gitlab: GitLab, tmp_path: Path
) -> None:
    project = committed(tmp_path, ANSWERS[answers])
    for job in SCHEDULED:
        assert gitlab.jobs(project, CI_PIPELINE_SOURCE="schedule", JOB=job) == [job]
        proved("gitlab", job, "validated")


@pytest.mark.parametrize("answers", ANSWERS)
def test_a_tag_makes_a_release(answers: str, gitlab: GitLab, tmp_path: Path) -> None:
    project = committed(tmp_path, ANSWERS[answers])
    assert gitlab.jobs(project, CI_COMMIT_BRANCH="", CI_COMMIT_TAG="v0.1.0") == RELEASE
    assert gitlab.jobs(project, CI_COMMIT_BRANCH="", CI_COMMIT_TAG="other") == []
    for job in RELEASE:
        proved("gitlab", job, "validated")


# Jobs that run ----------------------------------------------------------------------------------


@pytest.mark.parametrize("job", shared_out("gitlab", [*ALWAYS, TESTS[1], "data", "alerts"]))
def test_a_job_is_green_in_a_new_project(job: str, whole: Path, gitlab: GitLab) -> None:
    ran = gitlab.push(whole, job)
    assert ran.passed == {job}, ran.said[-6000:]
    proved("gitlab", job.partition(":")[0], "executed")


@pytest.mark.more
def test_the_loop_is_green_and_leaves_its_report(whole: Path, gitlab: GitLab) -> None:
    ran = gitlab.push(whole, "loop")
    assert ran.passed == {"loop"}, ran.said[-6000:]
    kept = whole / ".gitlab-ci-local/artifacts/loop/reports"
    assert {path.name for path in kept.iterdir()} == {"change.html", "change.md"}
    proved("gitlab", "loop", "executed")


@pytest.mark.more
@pytest.mark.xdist_group("containers")
def test_the_images_are_green(whole: Path, tmp_path: Path) -> None:
    """In a world with an engine, on images that stand in for those of a registry."""
    with World() as world:
        stand_ins(world)
        gitlab = GitLab(tmp_path / "gitlab", world, PYTHON_IMAGE=stand_in.BASE)
        ran = gitlab.push(whole, "images")
    assert ran.passed == {"images"}, ran.said[-6000:]
    kept = whole / ".gitlab-ci-local/artifacts/images/reports/sbom.cdx.json"
    types = [one["type"] for one in json.loads(kept.read_text())["components"]]
    assert types.count("machine-learning-model") == 1
    proved("gitlab", "image", "executed")


def test_the_quick_project_is_green(quick: Path, gitlab: GitLab) -> None:
    propose(quick, "Code", lambda project: (project / "tools/new.py").write_text("# New.\n"))
    jobs = gitlab.jobs_of_change(quick)
    ran = gitlab.merge_request(quick, *jobs)
    assert ran.passed == set(jobs), ran.said[-6000:]
    kept = quick / ".gitlab-ci-local/artifacts/images/reports"
    assert [path.name for path in kept.iterdir()] == ["sbom.cdx.json"]


@pytest.mark.parametrize("defect", sampled("gitlab"))
def test_a_defect_turns_its_job_red(defect: str, quick: Path, gitlab: GitLab) -> None:
    """And no other one; unless all are to run (DAYONE_FULL=1), `data` stands for the others."""
    if DEFECTS[defect].job == "loop":
        restore(quick, "change.py")
    job = seed(quick, defect)
    jobs = gitlab.jobs_of_change(quick)
    red = {name for name in jobs if job in (EVERY, name.partition(":")[0])}
    assert red
    asked = jobs if FULL else sorted(red | {"data"})
    ran = gitlab.merge_request(quick, *asked)
    assert ran.failed == red, ran.said[-6000:]
    assert ran.passed == set(asked) - red


@pytest.mark.parametrize("job", ["observe", "retrain"])
def test_a_schedule_passes_before_anything_serves(job: str, whole: Path, gitlab: GitLab) -> None:
    ran = gitlab.push(whole, CI_PIPELINE_SOURCE="schedule", JOB=job)
    assert ran.passed == {job}, ran.said[-6000:]
    assert "nothing serves" in ran.said
    proved("gitlab", job, "executed")
