"""What an emitted project is made of: known holes, licences, secrets, and the list of it all."""

import json
import re
import shutil
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from ci.going import database
from project.conftest import generate, run
from support.git import commit_all

pytestmark = pytest.mark.xdist_group("supply-chain")
HOLE = "GHSA-aaaa-bbbb-cccc"
NOX = ".venv/bin/uv run --quiet nox -s"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Installed, with a champion, and all of it committed."""
    made = generate(tmp_path_factory.mktemp("supply") / "my-poc", ["team_size=small"])
    run(made, "python3 -m venv .venv && .venv/bin/pip install --quiet uv")
    steps = ("my-poc ingest", "dvc repro", "my-poc register")
    run(made, " && ".join(f".venv/bin/uv run --quiet {step}" for step in steps))
    # The hooks of a commit look at what the pipeline has written as well.
    run(made, "git add --all && PATH=$PWD/.venv/bin:$PATH git commit --quiet --message Trained")
    return made


def test_what_the_pipeline_writes_is_no_secret(project: Path) -> None:
    assert "reports/quality.json" in run(project, "git ls-files reports")
    run(project, f"{NOX} secrets")


def test_licences_are_those_of_the_policy(project: Path) -> None:
    run(project, f"{NOX} licences")
    path = project / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("ISC;", "").replace(";Zope", ""), encoding="utf-8")
    try:
        assert "Zope" in run(project, f"{NOX} licences", expect=1)
    finally:
        path.write_text(text, encoding="utf-8")


def test_a_known_hole_and_a_silent_database_are_red(project: Path) -> None:
    run(project, f"{NOX} audit -- --service-url={database()}")
    assert HOLE in run(project, f"{NOX} audit -- --service-url={database(click=HOLE)}", expect=1)
    said = run(project, f"{NOX} audit -- --service-url=http://127.0.0.1:9", expect=1)
    assert "error" in said.lower()


def test_the_list_names_every_package_and_the_model(project: Path) -> None:
    run(project, f"{NOX} sbom")
    document = json.loads((project / "reports/sbom.cdx.json").read_text(encoding="utf-8"))
    components = {one["name"]: one for one in document["components"]}
    # The whole of it takes the validator minutes.
    part = [components["click"], components["my-poc"]]
    text = json.dumps({**document, "components": part, "dependencies": []})
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(text) is None
    broken = json.dumps({**document, "components": [{"type": "model", "name": "x"}]})
    assert JsonStrictValidator(SchemaVersion.V1_5).validate_str(broken) is not None
    assert {"fastapi", "onnxruntime", "lightgbm", "dvc"} <= components.keys()
    assert not {"pytest", "ruff", "moto"} & components.keys()
    pointer = next((project / "storage/models").rglob("champion.json"))
    digest = json.loads(pointer.read_text())["digest"]
    model = components["my-poc"]
    assert model["type"] == "machine-learning-model"
    assert model["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]


def test_without_a_model_the_list_says_so(project: Path, tmp_path: Path) -> None:
    elsewhere = f"MODEL_STORE={tmp_path}/none"
    assert "no model" in run(project, f"{elsewhere} {NOX} sbom")


def test_a_release_has_the_tag_of_its_version(project: Path) -> None:
    said = run(project, f"{NOX} release", expect=1)
    version = re.search(r"the version is (\S+),", said)
    assert version
    run(project, f"git tag v{version[1]} && {NOX} release")
    assert "the first release" in (project / "reports/notes.md").read_text(encoding="utf-8")
    shutil.rmtree(project / "reports")
    commit_all(project, "Clean")
