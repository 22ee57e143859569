"""A team grows, changes are checked elsewhere, an organisation says where its servers are.

All in projects that people have edited. What is theirs stays, what both wrote is merged, and an
edit in a pipeline that goes with its forge is in conflict.
"""

from pathlib import Path

import pytest

from . import ours
from .cases import Record
from .moves import (
    NEWEST,
    Answers,
    Edit,
    Move,
    append,
    difference,
    edited,
    plan,
    replace,
    there_and_back,
)
from .projects import Templates, read_commit, read_tree, recorded_answers

PIPELINES = {
    "github": (".github/workflows/checks.yml", "name: checks\n", "# Ours.\nname: checks\n"),
    "gitlab": (".gitlab/ci/checks.yml", "  timeout: 45 minutes\n", "  timeout: 50 minutes\n"),
    "azure_devops": (".azuredevops/checks.yml", "jobs:\n", "# Ours.\njobs:\n"),
}
OWNERS = {"data_owners": "@acme/data", "platform_owners": "@acme/platform"}
ORGANISATION = {
    "organisation": True,
    "package_index": "https://packages.example.com/simple",
    "ca_bundle": "/etc/ssl/acme.pem",
    "image_registry": "registry.example.com/mirror",
    "runner_label": "linux-ml",
    "forge_host": "git.example.com",
    "mandatory_tags": "cost-center=4711, department=operations",
}
MOVES = {
    "a team": Move({"team_size": "solo"}, {"team_size": "small", **OWNERS}),
    "several teams": Move({"team_size": "small", **OWNERS}, {"team_size": "large"}),
    "several teams at once": Move(
        {"team_size": "solo"}, {"team_size": "large", "model_owners": "@acme/models"}
    ),
    "to GitLab": Move({"ci": "github"}, {"ci": "gitlab"}),
    "to Azure": Move({"ci": "gitlab"}, {"ci": "azure_devops"}),
    "to GitHub, as a team": Move({"ci": "azure_devops", "team_size": "small"}, {"ci": "github"}),
    "an organisation": Move({"organisation": False}, ORGANISATION),
    "an organisation, on GitLab": Move({"ci": "gitlab", "organisation": False}, ORGANISATION),
}


def work(project: Path) -> None:
    """Edits of people, none in a file that only one answer brings."""
    replace(project / "params.yaml", "  leaves: 8\n", "  leaves: 12\n")
    dependency = '    "matplotlib>='
    replace(project / "pyproject.toml", dependency, f'    "geopy>=2,<3",\n{dependency}')
    replace(project / "deploy/Dockerfile", "FROM base AS job\n", "FROM base AS job\n# Ours.\n")
    append(
        project / "noxfile.py",
        '\n\n@nox.session\ndef ours(session: nox.Session) -> None:\n    """Ours."""\n',
    )
    append(project / "README.md", "\nOurs.\n")


def with_pipeline(forge: str) -> Edit:
    """The same, and an edit of the checks of this forge."""
    path, old, new = PIPELINES[forge]

    def edit(project: Path) -> None:
        work(project)
        file = project / path
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace(old, new, 1), encoding="utf-8")
        assert file.read_text(encoding="utf-8") != text

    return edit


@pytest.mark.parametrize("name", MOVES)
def test_edited_project_moves_there_and_back(
    name: str, templates: Templates, tmp_path: Path, record_property: Record
) -> None:
    record_property("edit", name)
    move = MOVES[name]
    stays = "ci" not in move.data
    edit = with_pipeline(str(move.before.get("ci", "github"))) if stays else work
    there_and_back(move, edit, templates, tmp_path)


@pytest.mark.parametrize("forge", PIPELINES)
def test_edited_pipeline_that_goes_is_in_conflict_and_kept_on_a_branch(
    forge: str, templates: Templates, tmp_path: Path, record_property: Record
) -> None:
    record_property("edit", f"from {forge}, pipeline edited")
    path, _, new = PIPELINES[forge]
    to: Answers = {"ci": "gitlab" if forge == "github" else "github"}
    project = edited(templates, NEWEST, {"ci": forge}, with_pipeline(forge), tmp_path / "project")
    before, files = ours.state(project), read_tree(project)
    at_risk = plan(project, to)["at_risk"]
    assert [(one["path"], one["outcome"]) for one in at_risk] == [(path, "conflict")]

    report = ours.update(project, NEWEST, to)

    assert report.code == ours.FINDINGS
    assert [one["path"] for one in report.said["conflicts"]] == [path]
    assert ours.state(project) == before
    assert difference(read_tree(project), files) == []
    assert new.encode() in read_commit(project, report.said["branch"])[path].data


def test_a_project_older_than_these_questions_gets_what_their_defaults_bring(
    templates: Templates, tmp_path: Path, record_property: Record
) -> None:
    record_property("version_pair", f"v0.9.0 {NEWEST}")
    record_property("edit", "older than forges and teams")
    project = edited(templates, "v0.9.0", {}, work, tmp_path / "project")

    report = ours.update(project, NEWEST, {})

    assert (report.code, report.said["result"]) == (ours.DONE, "updated")
    tree = read_tree(project)
    fresh = read_tree(templates.rendered(NEWEST, recorded_answers(project)))
    pipelines = {path for path in fresh if path.startswith(".github/")}
    assert pipelines
    for path in pipelines:
        assert tree[path].data.decode() == fresh[path].data.decode(), path
    assert b"Ours." in tree["deploy/Dockerfile"].data
    new = report.said["new_questions"]
    assert (new["ci"], new["team_size"], new["organisation"]) == ("github", "solo", False)
