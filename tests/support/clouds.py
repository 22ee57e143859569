"""Where a project keeps what it makes: folders, and buckets of real servers.

    with STORES["moto"](place, folder) as store:
        place.run(f"my-poc use-store {store.words}")
        store.fetch(folder / "seen")

While a store is open, the environment of its place says where it is.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

from project.conftest import BARE_PATH
from support import npm
from support.workplace import Workplace, held

AZURITE = "azurite@3.35.0"


class Store(NamedTuple):
    """What `use-store` is told; ``fetch`` copies all that is in it into a new folder."""

    url: str
    words: str
    fetch: Callable[[Path], Path]


@contextmanager
def folder(place: Workplace, at: Path) -> Iterator[Store]:
    at.mkdir()
    yield Store(str(at), str(at), lambda seen: Path(shutil.copytree(at, seen)))


@contextmanager
def speaks_s3(place: Workplace, at: Path) -> Iterator[Store]:
    """S3 as own machines have it: only the project's own settings say where it is."""
    with _bucket(place, at, "s3") as store:
        endpoint = place.environment.pop("AWS_ENDPOINT_URL")
        place.environment.pop("AWS_REGION")

        def fetch(seen: Path) -> Path:
            there = Workplace(place.folder, place.venv, {**place.environment})
            there.environment["AWS_ENDPOINT_URL"] = endpoint
            there.program("fetch.py", store.url, seen)
            return seen

        yield Store(store.url, f"{store.words} --endpoint {endpoint}", fetch)


@contextmanager
def azure(place: Workplace, at: Path) -> Iterator[Store]:
    """Azurite, which comes by npm; its programs are on the PATH from now on."""
    place.environment["PATH"] = os.pathsep.join([str(azurite()), BARE_PATH])
    with _bucket(place, at, "az") as store:
        yield store


@contextmanager
def _bucket(place: Workplace, at: Path, scheme: str) -> Iterator[Store]:
    with held(place, scheme, at) as server:
        place.environment |= server.environment
        bucket = f"{scheme}://project"
        place.environment["BUCKET"] = bucket

        def fetch(seen: Path) -> Path:
            place.program("fetch.py", bucket, seen)
            return seen

        yield Store(bucket, f"{bucket}/my-poc", fetch)


def azurite() -> Path:
    """The folder of azurite's programs, installed where caches are."""
    return npm.installed(AZURITE) / ".bin"


STORES: dict[str, Callable[[Workplace, Path], AbstractContextManager[Store]]] = {
    "folder": folder,
    "aws": partial(_bucket, scheme="s3"),
    "speaks_s3": speaks_s3,
    "gcp": partial(_bucket, scheme="gs"),
    "azure": azure,
}
