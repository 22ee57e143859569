"""The combinations in operation, each for the tests that one process runs of it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from support.workplace import install

from .combinations import CHOSEN, COMBINATIONS, SEED
from .going import Going


@pytest.fixture(scope="session", params=CHOSEN)
def going(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Going]:
    folder = tmp_path_factory.mktemp(request.param)
    combination = COMBINATIONS[request.param]
    place = install(folder / "my-poc", combination.answers)
    with ExitStack() as stack:
        going = Going(place, combination, folder)
        going.open(stack)
        yield going


def pytest_report_header() -> str:
    names = ", ".join(str(param.values[0]) for param in CHOSEN)
    return f"data: {names} (seed {SEED})"
