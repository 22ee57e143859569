"""Sources come and go, and the cloud is another, in projects that people have edited.

What is theirs stays as it is; what both wrote is merged; an edit in a module that goes with its
answer is in conflict, and on a branch.
"""

import subprocess
from pathlib import Path

import pytest

from . import ours, stock
from .cases import NAME, Record
from .edits import WORDS
from .moves import (
    NEWEST,
    Answers,
    Edit,
    Move,
    append,
    check_syntax,
    difference,
    edited,
    plan,
    replace,
    same_edits,
    there_and_back,
    write,
)
from .projects import Templates, Tree, read_commit, read_tree, recorded_answers

PACKAGE = "src/late_flights"
BUCKETS = {"onprem": "s3", "hybrid": "s3", "aws": "s3", "gcp": "gs", "azure": "az"}


MOVES = {
    "a source more": Move({"data_sources": ["files"]}, {"data_sources": ["files", "sql"]}),
    "a source less": Move({"data_sources": ["files", "rest"]}, {"data_sources": ["files"]}),
    "to a cloud": Move({"cloud": "onprem"}, {"cloud": "aws"}),
    "to another cloud": Move({"cloud": "aws", "aws_region": "us-east-1"}, {"cloud": "gcp"}),
    "to both": Move({"cloud": "aws"}, {"cloud": "hybrid", "public_cloud": "aws"}),
    "back home": Move({"cloud": "azure"}, {"cloud": "onprem"}),
    "another warehouse": Move(
        {"data_sources": ["files", "warehouse"], "warehouse": "bigquery"},
        {"warehouse": "snowflake"},
    ),
}


# What people do to such a project -----------------------------------------------------------------


def use(answers: Answers) -> Edit:
    """Edits of somebody who works with these answers, none in a module that only they bring."""

    def edit(project: Path) -> None:
        sources = [kind for kind in answers.get("data_sources", ["files"]) if kind != "files"]
        replace(project / "params.yaml", "  leaves: 8\n", "  leaves: 12\n")
        for kind in sources:
            append(project / "params.yaml", f"sources:\n  airports: {{kind: {kind}}}\n")
            write(project / "contracts/airports.odcs.yaml", "kind: DataContract\nname: airports\n")
        use_store(project, BUCKETS[answers.get("cloud", "onprem")])
        dependency = '    "matplotlib>='
        replace(project / "pyproject.toml", dependency, f'    "geopy>=2,<3",\n{dependency}')
        append(project / "README.md", "\nOurs.\n")
        append(project / PACKAGE / "sources/files.py", f"\n\n{WORDS}\n")

    return edit


def use_store(project: Path, scheme: str) -> None:
    """The files that `use-store` changes, as it leaves them: DVC keeps the form of its own."""
    bucket = f"{scheme}://our-bucket/late-flights"
    versions = bucket.replace("az://", "azure://")
    replace(
        project / ".dvc/config",
        "    url = ../storage/dvc\n",
        f"    url = {versions}/dvc\n    region = us-east-1\n",
    )
    stores = f"MODEL_STORE={bucket}/models\nPREDICTION_STORE={bucket}/predictions\n"
    append(project / "deploy/stores.env", stores)


# The tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MOVES)
def test_edited_project_moves_there_and_back(
    name: str, templates: Templates, tmp_path: Path, record_property: Record
) -> None:
    record_property("edit", name)
    there_and_back(MOVES[name], use(MOVES[name].before), templates, tmp_path)


OFF, SAME_LINES = "switched off by an answer", "both sides changed the same lines"
COLLIDING = {
    "a source less": (f"{PACKAGE}/sources/rest.py", OFF),
    "to another cloud": (f"{PACKAGE}/blobs/s3.py", OFF),
    "another warehouse": (f"{PACKAGE}/sources/warehouse.py", SAME_LINES),
}


@pytest.mark.parametrize("name", COLLIDING)
def test_edit_in_a_module_that_goes_is_listed_before_and_kept_on_a_branch(
    name: str, templates: Templates, tmp_path: Path, record_property: Record
) -> None:
    record_property("edit", f"{name}, edited")
    move, (path, why) = MOVES[name], COLLIDING[name]

    def edit(project: Path) -> None:
        use(move.before)(project)
        append(project / path, f"\n\n{WORDS}\n")

    project = edited(templates, NEWEST, move.before, edit, tmp_path / "project")
    before, files = ours.state(project), read_tree(project)
    said = plan(project, move.data)
    assert said["at_risk"] == [{"path": path, "why": why, "outcome": "conflict"}]

    report = ours.update(project, NEWEST, move.data)

    assert report.code == ours.FINDINGS
    assert [one["path"] for one in report.said["conflicts"]] == [path]
    assert ours.state(project) == before
    assert difference(read_tree(project), files) == []
    branch = read_commit(project, report.said["branch"])
    assert WORDS.encode() in branch[path].data
    others = {other: file for other, file in branch.items() if other != path}
    began_with = read_tree(templates.rendered(NEWEST, {**NAME, **move.before}))
    expected = same_edits(templates, NEWEST, project, move.data, use(move.before), began_with)
    assert difference(others, {one: file for one, file in expected.items() if one != path}) == []


def test_remote_that_was_set_and_goes_with_the_hybrid_is_listed(
    templates: Templates, tmp_path: Path
) -> None:
    """Its address stands nowhere else."""

    def edit(project: Path) -> None:
        use({"cloud": "hybrid"})(project)
        config = project / ".dvc/config"
        replace(config, "    url = ../storage/cloud\n", "    url = gs://our-cloud/dvc\n")
        replace(project / "residency.yaml", "remote: storage\n", "remote: cloud\n")

    answers = {"cloud": "hybrid", "public_cloud": "gcp"}
    project = edited(templates, NEWEST, answers, edit, tmp_path / "project")
    before = ours.state(project)
    report = ours.update(project, NEWEST, {"cloud": "gcp"})
    assert [one["path"] for one in report.said["conflicts"]] == [".dvc/config"]
    assert ours.state(project) == before
    branch = read_commit(project, report.said["branch"])
    assert b"url = gs://our-cloud/dvc" in branch[".dvc/config"].data
    assert branch["residency.yaml"] == read_tree(project)["residency.yaml"]


VERSIONS = {
    "modules that only some have": (
        *("v2.2.0", {"cloud": "aws", "data_sources": ["files", "sql"]}),
        {},
    ),
    "new modules, and answers with them": (
        *("v2.2.0", {"cloud": "azure", "data_sources": ["files", "sql"]}),
        {"cloud": "aws", "data_sources": ["files", "sql", "rest"]},
    ),
    "questions that the old version did not ask": ("v0.9.0", {}, {}),
    "answers to what the old version did not ask": (
        *("v0.9.0", {}),
        {"cloud": "aws", "data_sources": ["files", "sql"]},
    ),
}


@pytest.mark.parametrize("name", VERSIONS)
def test_edited_project_takes_a_version_and_answers_at_once(
    name: str, templates: Templates, tmp_path: Path, record_property: Record
) -> None:
    old, answers, data = VERSIONS[name]
    record_property("version_pair", f"{old} {NEWEST}")
    record_property("edit", name)

    def edit(project: Path) -> None:
        use(answers)(project)
        for module in (f"{PACKAGE}/sources/sql.py", f"{PACKAGE}/blobs/s3.py"):
            if module in began_with:
                append(project / module, f"\n\n{WORDS}\n")

    began_with = read_tree(templates.rendered(old, {**NAME, **answers}))
    project = edited(templates, old, answers, edit, tmp_path / "project")
    # The migration of v2.0.0, which ours.update leaves out, is no matter here.
    expected = same_edits(templates, NEWEST, project, data, edit, began_with)
    known = recorded_answers(project)

    report = ours.update(project, NEWEST, data)

    assert (report.code, report.said["result"]) == (ours.DONE, "updated")
    tree = read_tree(project)
    assert difference(tree, expected) == []
    check_syntax(tree)
    assert b"hardlink_lock = true" in tree[".dvc/config"].data
    assert b"our-bucket" in tree[".dvc/config"].data
    sources = {"cloud": "onprem", "data_sources": ["files"]}
    teams = {"ci": "github", "team_size": "solo", "organisation": False}
    defaults = {"changelog": True, **sources, **teams}
    new = {name: answer for name, answer in {**defaults, **data}.items() if name not in known}
    regions = {"aws_region": "eu-central-1"} if data.get("cloud") == "aws" else {}
    assert report.said["new_questions"] == new | regions


def test_answers_that_only_another_cloud_asks_for_go_and_are_said(
    templates: Templates, tmp_path: Path
) -> None:
    project = edited(
        *(templates, NEWEST, {"cloud": "aws", "aws_region": "us-east-1"}),
        *(use({"cloud": "aws"}), tmp_path / "project"),
    )
    said = plan(project, {"cloud": "gcp", "gcp_region": "us-central1"})["changed_answers"]
    assert said == {
        "cloud": {"from": "aws", "to": "gcp"},
        "gcp_region": {"from": None, "to": "us-central1"},
        "aws_region": {"from": "us-east-1", "to": None},
    }


def test_no_answer_turns_one_module_into_another(templates: Templates, tmp_path: Path) -> None:
    """git would take a module for another's new name, if they were alike, and carry edits over."""
    kinds = ["object_store", "sql", "rest", "stream", "warehouse"]
    always = read_tree(templates.rendered(NEWEST, {**NAME, "data_sources": ["files"]}))
    modules: Tree = {}
    for cloud in ("hybrid", "gcp", "azure"):
        answers = {**NAME, "cloud": cloud, "data_sources": kinds}
        modules |= read_tree(templates.rendered(NEWEST, answers))
    modules = {path: file for path, file in modules.items() if path not in always}
    before, after = tmp_path / "before", tmp_path / "after"
    for path, file in modules.items():
        for folder in (before, after):
            write(folder / path, "")
        (after / path).write_bytes(file.data)
    for path in modules:
        (after / path).rename(before / path)
        compared = ["git", "diff", "--no-index", "-M", "--diff-filter=R", "--name-status"]
        done = subprocess.run([*compared, before, after], capture_output=True, check=False)
        assert done.stdout == b""
        (before / path).rename(after / path)


def test_plain_copier_takes_an_edited_module_away_in_silence(
    templates: Templates, tmp_path: Path
) -> None:
    """As docs/how-to/plain-copier.md warns; what is yours, and `.dvc/config`, stay as edited."""
    move, (path, _) = MOVES["to another cloud"], COLLIDING["to another cloud"]

    def edit(project: Path) -> None:
        use(move.before)(project)
        append(project / path, f"\n\n{WORDS}\n")

    project = edited(templates, NEWEST, move.before, edit, tmp_path / "project")
    files = read_tree(project)
    outcome = stock.update(project, NEWEST, dict(move.data))
    assert path not in outcome.tree
    assert not outcome.conflicts
    for kept in (".dvc/config", "deploy/stores.env", "params.yaml"):
        assert outcome.tree[kept] == files[kept]
