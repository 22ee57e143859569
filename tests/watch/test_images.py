"""The images of a project, for each way of serving: built, looked at, and run.

What they start from are stand-ins made of Debian's packages, so no size here is that of a real
image, and Python is Debian's.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from support import buckets, stand_in
from support.git import git
from support.images import (
    CLIENTS,
    MARKER,
    NAME,
    TARGETS,
    Workshop,
    in_image,
    problems_of_image,
    problems_of_service,
    problems_of_stores,
    traces,
)

IMAGES = [(choice, target) for choice, targets in TARGETS.items() for target in targets]
SERVING, TRAINING = (
    [choice for choice, targets in TARGETS.items() if wanted in targets]
    for wanted in ("serve", "job")
)


@pytest.mark.parametrize(("choice", "target"), IMAGES)
def test_image_is_made_as_it_should(workshop: Workshop, choice: str, target: str) -> None:
    image = workshop.image(choice, target)
    assert problems_of_image(workshop.world, image, target) == []
    assert f"{NAME}-{target}: " in workshop.said[choice]


@pytest.mark.parametrize("choice", SERVING)
def test_service_runs_locked_down(
    workshop: Workshop, retrained: tuple[Path, str], choice: str
) -> None:
    """Read-only, as nobody in particular, without capabilities, network and shell."""
    image = workshop.image(choice, "serve")
    assert problems_of_service(workshop.world, image, retrained[0] / "storage") == []


# The server of the bucket, and the project that brings it; azurite is no package of Python's.
BUCKETS = {"both": (buckets.s3, "batch"), "realtime": (buckets.gs, "realtime")}


def problems_with_bucket(
    workshop: Workshop, retrained: tuple[Path, str], choice: str, image: str
) -> list[str]:
    """What goes wrong when the image serves out of a bucket into which its project registered."""
    server, project = BUCKETS[choice]
    publisher = workshop.image(choice, TARGETS[choice][-1])
    programs = workshop.environment(project, "integration")
    with server(workshop.world, programs / "python") as bucket:
        storage = retrained[0] / "storage"
        return problems_of_stores(workshop.world, image, publisher, storage, bucket)


@pytest.mark.parametrize("choice", BUCKETS)
def test_service_lives_on_a_bucket(
    workshop: Workshop, retrained: tuple[Path, str], choice: str
) -> None:
    """Its champion comes from there, is swapped when another is put there, and its log goes there.

    Locked down as ever; the models come from the project's job image where it has one.
    """
    image = workshop.image(choice, "serve")
    assert problems_with_bucket(workshop, retrained, choice, image) == []


PACKAGE = "/app/.venv/lib/python3*/site-packages"
STORE_FAULTS = {
    "no client": (f"rm -r {PACKAGE}/boto3", "needs boto3, which is not installed"),
    "no swap": (
        f"sed -i 's/poll_seconds: float = 2/&00/' {PACKAGE}/my_poc/settings.py",
        "not within",
    ),
    "no log": (
        f"sed -i 's/records.store(/str(/' {PACKAGE}/my_poc/serve/segments.py",
        "not in the bucket",
    ),
}


@pytest.mark.parametrize("fault", STORE_FAULTS)
def test_fault_of_the_stores_is_found(
    workshop: Workshop, retrained: tuple[Path, str], fault: str
) -> None:
    command, expected = STORE_FAULTS[fault]
    image = workshop.image("both", "serve")
    faulty = workshop.derive(image, "USER 0", f"RUN {command}", "USER 10001")
    (problem, *_) = problems_with_bucket(workshop, retrained, "both", faulty)
    assert expected in problem


@pytest.mark.parametrize(("choice", "target"), IMAGES)
def test_image_has_the_clients_of_its_stores(workshop: Workshop, choice: str, target: str) -> None:
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    modules = [f"my_poc.blobs.{scheme}" for scheme in CLIENTS[choice]]
    in_image(workshop.world, workshop.image(choice, target), code, *modules)


@pytest.mark.parametrize("choice", TRAINING)
def test_job_image_has_its_commands(workshop: Workshop, choice: str, tmp_path: Path) -> None:
    for command in ("observe", "receive", "retrain", "score"):
        code, said = workshop.run_job(choice, tmp_path, command, "--help")
        assert code == 0, said
        assert said.startswith(f"Usage: {NAME} {command} [OPTIONS]")


def test_score_needs_its_group_alone(
    workshop: Workshop, retrained: tuple[Path, str], tmp_path: Path
) -> None:
    (table,) = (workshop.project("both") / "data/sample").glob("*.parquet")
    programs = workshop.environment("both", "score")
    assert not (programs / "dvc").exists()
    said = workshop.world.run(
        *(programs / NAME, "score", table, "--output", tmp_path / "scored.parquet"),
        cwd=tmp_path,
        network=False,
        MODEL_STORE=str(retrained[0] / "storage/models"),
        PREDICTION_STORE=str(tmp_path / "predictions"),
    )
    assert "rows in" in said
    assert list((tmp_path / "predictions").glob("date=*/*.jsonl.gz"))


def test_retrain_comes_to_an_outcome_without_git(
    workshop: Workshop, retrained: tuple[Path, str]
) -> None:
    folder, said = retrained
    assert "promoted after" in said
    outcome = json.loads((folder / "var/retrain/last.json").read_text())
    assert outcome["outcome"] == "promoted"
    assert outcome["commit"] == git(workshop.project("both"), "rev-parse", "HEAD")
    champion = json.loads((folder / f"storage/models/{NAME}/champion.json").read_text())
    assert champion["digest"] == outcome["model"]


@pytest.mark.parametrize(("choice", "target"), [("both", "serve"), ("batch", "job")])
def test_nothing_of_the_builders_index_stays(workshop: Workshop, choice: str, target: str) -> None:
    assert traces(workshop.world, workshop.image(choice, target), MARKER) == []


def test_index_that_stays_is_found(workshop: Workshop) -> None:
    """Also in a layer that a later one hides, and in the history."""
    image = workshop.image("both", "serve")
    hidden = workshop.derive(image, "COPY uv.toml /app/var/", "USER 0", "RUN rm /app/var/uv.toml")
    assert traces(workshop.world, hidden, MARKER) != []
    argument = workshop.derive(image, f"ENV UV_DEFAULT_INDEX=https://{MARKER}")
    assert "history" in traces(workshop.world, argument, MARKER)


FAULTS = {
    "root": (["USER 0"], "runs as root", "Uid is 0"),
    "shell": (
        ['ENTRYPOINT ["/bin/sh", "-c", "my-poc serve"]'],
        "starts with",
        "open executable: Permission denied",
    ),
    "health": (["HEALTHCHECK CMD exit 1"], "HEALTHCHECK", "HEALTHCHECK fails"),
    "missing file": (
        ["USER 0", "RUN rm /app/.venv/lib/python3*/site-packages/my_poc/schema.py", "USER 10001"],
        None,
        "it ended",
    ),
    "compiler": (["USER 0", "RUN touch /bin/gcc && chmod +x /bin/gcc", "USER 10001"], "gcc", None),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(workshop: Workshop, retrained: tuple[Path, str], fault: str) -> None:
    lines, of_image, of_service = FAULTS[fault]
    image = workshop.derive(workshop.image("both", "serve"), *lines)
    found = "\n".join(problems_of_image(workshop.world, image, "serve"))
    assert (of_image in found) if of_image else not found
    if of_service:
        storage = retrained[0] / "storage"
        assert of_service in "\n".join(problems_of_service(workshop.world, image, storage))


@pytest.mark.parametrize(("missing", "word"), [("uv.lock", "uv lock"), ("README.md", "README.md")])
def test_build_names_the_file_that_is_missing(
    workshop: Workshop, tmp_path: Path, missing: str, word: str
) -> None:
    workshop.image("both", "job")
    project = shutil.copytree(
        workshop.project("both"), tmp_path / "project", ignore=shutil.ignore_patterns(".venv")
    )
    (project / missing).unlink()
    code, said = workshop.world.try_(
        *("podman", "build", "--format=docker", "--file=deploy/Dockerfile", "--target=job"),
        *(f"--build-arg=PYTHON_IMAGE={stand_in.BASE}", "."),
        cwd=project,
    )
    assert code != 0
    assert word in said


def test_dockerfile_has_no_complaint_from_hadolint(workshop: Workshop) -> None:
    for choice in TARGETS:
        dockerfile = workshop.project(choice) / "deploy/Dockerfile"
        assert subprocess.run(["hadolint", dockerfile], check=False).returncode == 0
    faulty = b"FROM debian\nRUN cd /tmp\n"
    assert subprocess.run(["hadolint", "-"], input=faulty, check=False).returncode == 1
