"""Emitted projects as images, built once for all tests that run them."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT, stand_in
from support.containers import World
from support.images import Workshop


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    dockerfile = (ROOT / "template/deploy/Dockerfile.jinja").read_text()
    python, uv = re.findall(r"^ARG \w+_IMAGE=(.+)$", dockerfile, re.MULTILINE)
    with World() as world:
        stand_in.python(world, python.replace("{{ python_version }}", stand_in.PYTHON))
        stand_in.uv(world, uv)
        yield world


@pytest.fixture(scope="session")
def workshop(world: World, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(world, tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="session")
def retrained(workshop: Workshop) -> tuple[Path, str]:
    """A folder with storage/ and var/ in which `retrain` has run in a container, and what it said.

    The container has no git, no network and no right to write elsewhere.
    """
    folder = workshop.folder / "retrained"
    code, said = workshop.run_job("both", folder, "retrain", "--reason", "the first model")
    assert code == 0, said
    return folder, said
