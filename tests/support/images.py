"""Images of an emitted project, and what is wrong with one of them.

A workshop builds with the project's own command. `problems_of_image` looks at an image and
`problems_of_service` runs it as compose.yaml and a cluster would: without root, capabilities,
network, shell, or a file system that it could write to.
"""

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import ROOT, stand_in
from support.buckets import Bucket
from support.containers import CommandError, World, wait_for
from support.git import commit_all
from support.rendering import render

NAME = "my-poc"
USER = 10001
# Debian has no Python 3.12, so the first takes another base image, by build argument. The others
# are FROM the image that their Dockerfile names. Every cloud's store is that of one of them.
CHOICES: dict[str, dict[str, Any]] = {
    "both": {},
    "realtime": {"serving": ["realtime"], "python_version": stand_in.PYTHON, "cloud": "gcp"},
    "batch": {
        "serving": ["batch"],
        "python_version": stand_in.PYTHON,
        "cloud": "hybrid",
        "public_cloud": "azure",
    },
}
CLIENTS = {"both": ("s3",), "realtime": ("gs",), "batch": ("az", "s3")}
BASE_IMAGE = {choice: {} for choice in CHOICES} | {"both": {"PYTHON_IMAGE": stand_in.BASE}}
TARGETS = {"both": ("serve", "job"), "realtime": ("serve",), "batch": ("job",)}
# Stands in the files that tell a build how to reach the index, and must be found nowhere else.
MARKER = "index-of-the-builder-4711"
LOCKED_DOWN = (
    *("--read-only", "--tmpfs=/tmp:rw,size=64m,mode=1777", "--cap-drop=ALL"),
    *("--security-opt=no-new-privileges", "--network=host", "--pull=never"),
)
FORBIDDEN = {
    "serve": ("uv", "gcc", "dvc", "lightgbm", "mlflow", "polars", "pyarrow", "pytest"),
    "job": ("uv", "gcc", "pytest", "ruff"),
}
SERVICE = "http://127.0.0.1:8000"
READY, PREDICT = f"{SERVICE}/readyz", f"{SERVICE}/predict"
LOOK = """
import importlib.util, json, shutil, sys
names = json.loads(sys.argv[1])
print(json.dumps([name for name in names if shutil.which(name) or importlib.util.find_spec(name)]))
"""
EXAMPLE = """
import json
from my_poc.model import Model
from my_poc.schema import RowSchema
from my_poc.settings import MODEL_NAME, Settings
from my_poc.store import ModelStore
model = Model(ModelStore(Settings().model_store, MODEL_NAME).open_champion())
print(json.dumps(RowSchema(model.contract, model.info.categories).example()))
"""
# Copies the champion of a folder to the store of the environment, and lets it serve there. With a
# mark it becomes another model that answers the same: the field of ONNX for a remark tells it.
PUBLISH = """
import hashlib, json, pathlib, shutil, sys, tempfile
from my_poc.settings import MODEL_NAME, Settings
from my_poc.store import ModelStore
folder, mark = pathlib.Path(tempfile.mkdtemp()), sys.argv[1].encode()
shutil.copytree(ModelStore(pathlib.Path("/models"), MODEL_NAME).open_champion(), folder / "model")
with (folder / "model/model.onnx").open("ab") as file:
    file.write(bytes([0x32, len(mark)]) + mark)
verdict = json.loads((folder / "model/verdict.json").read_text())
verdict["model"] = hashlib.sha256((folder / "model/model.onnx").read_bytes()).hexdigest()
store = ModelStore(Settings().model_store, MODEL_NAME)
store.move("promote", store.put(folder / "model", verdict), mark.decode(), before=store.champion())
print(store.champion().digest)
"""


def stand_ins(world: World) -> None:
    """Let there be what the Dockerfile begins FROM."""
    dockerfile = (ROOT / "template/deploy/Dockerfile.jinja").read_text()
    known = {"python_version": stand_in.PYTHON, "docker_io": "docker.io", "ghcr_io": "ghcr.io"}
    for name, value in known.items():
        dockerfile = dockerfile.replace(f"{{{{ {name} }}}}", value)
    python, uv = re.findall(r"^ARG \w+_IMAGE=(.+)$", dockerfile, re.MULTILINE)
    stand_in.python(world, python)
    stand_in.uv(world, uv)


class Workshop:
    """Builds the images of projects with other answers, each when it is first asked for."""

    def __init__(self, world: World, folder: Path) -> None:
        self.world = world
        self.folder = folder
        self.said: dict[str, str] = {}
        self._environment = self.project("both") / ".venv"
        world.run("uv", "sync", "--quiet", "--locked", cwd=self.project("both"))

    def project(self, choice: str) -> Path:
        """A rendered, locked and committed project."""
        project = self.folder / choice
        if not project.exists():
            render({"project_name": "My PoC", **CHOICES[choice]}, project)
            self.world.run("uv", "lock", "--quiet", cwd=project)
            commit_all(project)
        return project

    def image(self, choice: str, target: str) -> str:
        """The name of an image, which is built when it has not been."""
        if choice not in self.said:
            self.said[choice] = self.stack(choice, "image", *TARGETS[choice])
            for built in TARGETS[choice]:
                self.world.run("podman", "tag", f"{NAME}-{built}", f"localhost/{choice}-{built}")
        return f"localhost/{choice}-{target}"

    def stack(self, choice: str, *arguments: str, network: bool = True, **env: str) -> str:
        """What `python tools/stack.py` of a project prints.

        The index of this machine is handed on as a person would, in files that also hold MARKER.
        """
        url = stand_in.index_url()
        index = f'[[index]]\nurl = "{url}"\ndefault = true\n' if url else ""
        authorities, config = self.folder / "ca.pem", self.folder / "uv.toml"
        authorities.write_text(f"# {MARKER}\n{stand_in.authorities().read_text()}")
        config.write_text(f"# {MARKER}\n{index}")
        project = self.project(choice)
        return self.world.run(
            *(self._environment / "bin/python", "tools/stack.py", *arguments),
            cwd=project,
            PYTHONPATH=str(project / "src"),
            UV_CONFIG_FILE=str(config),
            SSL_CERT_FILE=str(authorities),
            network=network,
            timeout=1800,
            **(env | BASE_IMAGE[choice]),
        )

    def environment(self, choice: str, group: str) -> Path:
        """The programs of a virtual environment in which the project has this group alone."""
        folder = self.folder / f"{choice}-{group}"
        self.world.run(
            *("uv", "sync", "--quiet", "--locked", "--no-default-groups", f"--group={group}"),
            cwd=self.project(choice),
            UV_PROJECT_ENVIRONMENT=str(folder),
        )
        return folder / "bin"

    def derive(self, image: str, *lines: str) -> str:
        """An image with a fault: these lines of a Dockerfile after those of the image."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "Dockerfile").write_text("\n".join([f"FROM {image}", *lines]) + "\n")
        (folder / "uv.toml").write_text(f"# {MARKER}\n")
        name = f"localhost/faulty:{folder.name.lower()}"
        self.world.run("podman", "build", "--format=docker", f"--tag={name}", folder)
        return name

    def run_job(self, choice: str, storage: Path, *arguments: str) -> tuple[int, str]:
        """The exit code and the output of a command in the job image, locked down, over storage."""
        for folder in (storage / "storage", storage / "var"):
            folder.mkdir(parents=True, exist_ok=True)
            os.chown(folder, USER, USER)
        return self.world.try_(
            *(
                "podman",
                "run",
                "--rm",
                *LOCKED_DOWN,
                f"--volume={storage / 'storage'}:/app/storage",
            ),
            *(f"--volume={storage / 'var'}:/app/var", self.image(choice, "job"), *arguments),
            network=False,
        )


def problems_of_image(world: World, image: str, target: str) -> list[str]:
    """What is wrong with how an image is made."""
    about = world.image(image)
    config = about["Config"]
    labels = config.get("Labels") or {}
    problems = []
    if config.get("User", "").partition(":")[0] in ("", "0", "root"):
        problems.append("runs as root")
    if config.get("Entrypoint") != [NAME]:
        problems.append(f"starts with {config.get('Entrypoint')}")
    if target == "serve" and about.get("Healthcheck", {}).get("Test", [""])[0] != "CMD":
        problems.append("HEALTHCHECK is missing, or needs a shell")
    for key, expected in {"title": f"{NAME}-{target}", "version": "0.1.0"}.items():
        if labels.get(f"org.opencontainers.image.{key}") != expected:
            problems.append(f"label {key} is not {expected}")
    if len(labels.get("org.opencontainers.image.revision", "")) != 40:
        problems.append("label revision is not a commit")
    found = in_image(world, image, LOOK, json.dumps(FORBIDDEN[target]))
    problems += [f"holds {name}" for name in json.loads(found)]
    return problems


def in_image(world: World, image: str, code: str, *arguments: str) -> str:
    """What this Python prints in a container of the image."""
    return world.run(
        *("podman", "run", "--rm", *LOCKED_DOWN, "--entrypoint=python", image),
        *("-c", code, *arguments),
        network=False,
    )


def traces(world: World, image: str, text: str) -> list[str]:
    """Where a text stands in an image: in its description, its history or one of its layers."""
    folder = Path(world.run("mktemp", "--directory").strip())
    try:
        world.run("podman", "save", "--quiet", "--format=docker-dir", f"--output={folder}", image)
        found = world.try_("grep", "--recursive", "--files-with-matches", "--text", text, folder)[1]
        about = json.dumps(world.image(image)) + world.run(
            "podman", "history", "--no-trunc", "--format=json", image
        )
    finally:
        shutil.rmtree(folder)
    return found.split() + (["history"] if text in about else [])


def problems_of_service(world: World, image: str, storage: Path, *options: str) -> list[str]:
    """What goes wrong when the image serves the champion in this storage."""
    empty = storage.parent / "no-shell"
    empty.touch()
    shells = [f"--volume={empty}:/usr/bin/{shell}:ro" for shell in ("dash", "bash")]
    volume = f"--volume={storage}:/app/storage"
    return _served(world, image, (*shells, *options, volume), _problems)


def problems_of_stores(
    world: World, image: str, publisher: str, storage: Path, bucket: Bucket
) -> list[str]:
    """What goes wrong when all that the image serves and logs is in a bucket.

    The champions are those that the image ``publisher`` puts there, out of this storage.
    """
    environment = bucket.environment | {
        "MODEL_STORE": f"{bucket.url}/some/models",
        "PREDICTION_STORE": f"{bucket.url}/some/predictions",
    }
    options = tuple(f"--env={name}={value}" for name, value in environment.items())

    def publish(mark: str) -> str:
        return world.run(
            *("podman", "run", "--rm", *LOCKED_DOWN, *options, "--entrypoint=python"),
            *(f"--volume={storage / 'models'}:/models:ro", publisher, "-c", PUBLISH, mark),
            network=False,
        ).strip()

    def answer(name: str, digest: str) -> dict[str, Any]:
        wait_for(lambda: digest in world.get(READY)[1], 20)
        return dict(json.loads(world.get(PREDICT, example(world, name))[1]))

    def look(world: World, name: str) -> list[str]:
        answers = {first: answer(name, first)}
        second = publish("second")
        answers[second] = answer(name, second)
        problems = [
            f"{digest} should answer: {answer}"
            for digest, answer in answers.items()
            if answer.get("model") != digest
        ]
        problems += _confinement(world, name) + _stop(world, name)
        logs = [each for each in bucket.names() if each.startswith("some/predictions/date=")]
        text = "".join(map(bucket.unzipped, logs))
        lost = [answer for answer in answers.values() if answer["request_id"] not in text]
        return problems + [f"not in the bucket: {answer}" for answer in lost]

    first = publish("first")
    return _served(world, image, options, look)


def _served(
    world: World, image: str, options: tuple[str, ...], look: Callable[[World, str], list[str]]
) -> list[str]:
    """What ``look`` finds in a container that has this name, locked down, and answers."""
    name = "service"
    running = ("podman", "container", "inspect", "--format={{.State.Running}}", name)
    try:
        world.run(
            *("podman", "run", "--detach", f"--name={name}", *LOCKED_DOWN, *options),
            *("--volume=/app/var", image),
            network=False,
        )
        wait_for(lambda: healthy(world) or world.run(*running).strip() == "false")
        if not healthy(world):
            raise CommandError("it ended")
        return look(world, name)
    except (AssertionError, CommandError) as error:
        logs = world.try_("podman", "logs", "--tail=20", name)[1]
        return [f"{error}: {logs}"]
    finally:
        world.run("podman", "rm", "--force", "--time=0", "--volumes", name, network=False)


def healthy(world: World) -> bool:
    return world.get(f"{SERVICE}/healthz")[0] == 200


def example(world: World, name: str) -> str:
    """A row that the champion of a running service takes."""
    return world.run("podman", "exec", name, "python", "-c", EXAMPLE, network=False)


def _problems(world: World, name: str) -> list[str]:
    problems = []
    if (ready := world.get(READY))[0] != 200:
        problems.append(f"not ready: {ready}")
    answer = world.get(PREDICT, example(world, name))
    if answer[0] != 200 or "prediction" not in json.loads(answer[1]):
        problems.append(f"no prediction: {answer}")
    if 'status="200"' not in world.get(f"{SERVICE}/metrics")[1]:
        problems.append("/metrics counts no request")
    problems += _confinement(world, name)
    if (health := world.try_("podman", "healthcheck", "run", name, network=False))[0] != 0:
        problems.append(f"HEALTHCHECK fails: {health[1]}")
    return problems + _stop(world, name)


def _stop(world: World, name: str) -> list[str]:
    world.run("podman", "stop", "--time=20", name, network=False)
    code = world.run("podman", "inspect", "--format={{.State.ExitCode}}", name).strip()
    return [] if code == "0" else [f"SIGTERM ends it with exit code {code}"]


def _confinement(world: World, name: str) -> list[str]:
    """What process 1 of a container is allowed to do, and should not be."""
    pid = world.run("podman", "inspect", "--format={{.State.Pid}}", name).strip()
    lines = world.run("cat", f"/proc/{pid}/status").splitlines()
    status = dict(line.split(":", 1) for line in lines)
    expected = {"Uid": str(USER), "CapEff": "0" * 16, "NoNewPrivs": "1", "Seccomp": "2"}
    problems = [
        f"{key} is {status[key].split()[0]}"
        for key, value in expected.items()
        if status[key].split()[0] != value
    ]
    write = "open('/app/written', 'w')"
    code, said = world.try_(
        "podman", "exec", "--user=0", name, "python", "-c", write, network=False
    )
    if code == 0 or "Read-only file system" not in said:
        problems.append("can write to its root file system")
    return problems
