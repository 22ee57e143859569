"""The whole system in containers, started by the project's own command and stopped again.

Run here: the service, observe, the receiver, Prometheus and Alertmanager. Grafana and MLflow are
not to be had here: a placeholder that reads the same secrets and is healthy stands for each.
"""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from support import ROOT, stand_in
from support.containers import World, wait_for
from support.images import NAME, TARGETS, USER, Workshop

RUN = {"alertmanager", "api", "observe", "prometheus", "receiver"}
PLACEHOLDERS = {"grafana", "mlflow"}
SETTINGS = ("MLFLOW_VERSION", "SOURCE_FOLDER", "SOURCE_NAME", "STORAGE")
MOUNTS = ("MODELS", "PREDICTIONS", "REMOTE")


class Stack(NamedTuple):
    """A system that is up: what the command said, and when each container was first healthy."""

    world: World
    project: Path
    said: str
    healthy: dict[str, float]

    def inspect(self, service: str) -> dict[str, Any]:
        shown = self.world.run("podman", "container", "inspect", f"{NAME}_{service}_1")
        return dict(json.loads(shown)[0])

    def ask(self, service: str, url: str, *data: str) -> tuple[int, str]:
        """Status and text of what a container gets from another one, by its name."""
        code = (
            "import sys, urllib.request as u, urllib.error as e\n"
            "data = sys.argv[2].encode() if sys.argv[2:] else None\n"
            "try: r = u.urlopen(sys.argv[1], data, timeout=5)\n"
            "except e.HTTPError as error: r = error\n"
            "print(r.status); print(r.read().decode())"
        )
        status, _, text = self.world.run(
            *("podman", "exec", f"{NAME}_{service}_1", "python", "-c", code, url, *data),
            network=False,
        ).partition("\n")
        return int(status), text


@pytest.fixture(scope="module")
def stack(
    workshop: Workshop, retrained: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    world, project = workshop.world, workshop.project("both")
    workshop.image("both", "job")
    text = (project / "deploy/compose.yaml").read_text()
    version = re.search(
        r'name = "mlflow-skinny"\nversion = "(.+)"', (project / "uv.lock").read_text()
    )
    assert version
    images = {
        service: about["image"].replace("${MLFLOW_VERSION:?run nox -s up}", version[1])
        for service, about in yaml.safe_load(text)["services"].items()
    }
    stand_in.monitoring(
        world, {name: images[name] for name in RUN | PLACEHOLDERS if "/" in images[name]}
    )

    # The storage of a laptop on which a model has been registered.
    shutil.copytree(retrained[0] / "storage", project / "storage")
    programs = tmp_path_factory.mktemp("programs")
    shutil.copy(ROOT / "tests/support/podman_with_timers.py", programs / "podman")
    (programs / "podman").chmod(0o755)
    (programs / "docker").symlink_to("/bin/false")
    environment = {
        "HEALTHY_LOG": str(programs / "healthy"),
        "PATH": os.pathsep.join([str(programs), os.environ["PATH"]]),
    }
    try:
        said = workshop.stack("both", "up", network=False, **environment)
        lines = (programs / "healthy").read_text().split("\n")
        healthy = {line.split()[0]: float(line.split()[1]) for line in reversed(lines) if line}
        yield Stack(world, project, said, healthy)
    finally:
        workshop.stack("both", "down", network=False, **environment)
    assert world.run("podman", "ps", "--all", "--quiet") == ""
    assert (project / f"storage/models/{NAME}/champion.json").exists()


@pytest.mark.parametrize("choice", TARGETS)
def test_reference_implementation_accepts_it(workshop: Workshop, choice: str) -> None:
    project = workshop.project(choice)
    settings = dict.fromkeys(SETTINGS, "/x") | {"RUN_AS": "1:1"}
    settings |= {name: f"/x:/{name}" for name in MOUNTS}
    (project / "deploy/sources.env").write_text("A_SECRET\n")

    def check(text: str) -> subprocess.CompletedProcess[str]:
        (project / "deploy/checked.yaml").write_text(text)
        return subprocess.run(
            ["docker-compose", "--file", "deploy/checked.yaml", "config", "--quiet"],
            cwd=project,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            check=False,
        )

    text = (project / "deploy/compose.yaml").read_text()
    try:
        assert check(text).stderr == ""
        services = set(yaml.safe_load(text)["services"])
        assert services == (RUN | PLACEHOLDERS) - (set() if choice != "batch" else {"api"})
        # A service, a secret and a setting that are not there.
        for right, wrong in [
            ("alertmanager: {condition", "pager: {condition"),
            ("secrets: [grafana_password]", "secrets: [other]"),
        ]:
            assert right in text
            assert check(text.replace(right, wrong)).returncode != 0
        del settings["STORAGE"]
        assert "run nox -s up" in check(text).stderr
    finally:
        (project / "deploy/checked.yaml").unlink()


def test_up_says_where_everything_is(stack: Stack) -> None:
    for port in (8000, 3000, 9090, 9093, 5000):
        assert f"\nhttp://127.0.0.1:{port}  " in stack.said
        assert stack.world.get(f"http://127.0.0.1:{port}/healthz")[0] != 0
    # Only what a person needs is published.
    assert stack.world.get("http://127.0.0.1:9102/healthz")[0] == 0


def test_prometheus_gets_figures_from_everything(stack: Stack) -> None:
    shown = stack.world.get("http://127.0.0.1:9090/api/v1/targets?state=active")[1]
    targets = json.loads(shown)["data"]["activeTargets"]
    assert {target["labels"]["job"]: target["health"] for target in targets} == dict.fromkeys(
        RUN, "up"
    )
    rules = json.loads(stack.world.get("http://127.0.0.1:9090/api/v1/rules")[1])["data"]["groups"]
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(rule["type"] == "alerting" for group in rules for rule in group["rules"]) > 15


def test_everything_starts_after_what_it_needs_is_healthy(stack: Stack) -> None:
    services = yaml.safe_load((stack.project / "deploy/compose.yaml").read_text())["services"]
    needs = {
        (name, need) for name, about in services.items() for need in about.get("depends_on", [])
    }
    assert {("prometheus", "api"), ("alertmanager", "receiver")} <= needs
    for name, need in needs:
        assert services[name]["depends_on"][need] == {"condition": "service_healthy"}
        started = datetime.fromisoformat(stack.inspect(name)["State"]["StartedAt"][:26] + "+00:00")
        assert stack.healthy[f"{NAME}_{need}_1"] <= started.timestamp(), (name, need)


@pytest.mark.parametrize("service", sorted(RUN | PLACEHOLDERS))
def test_every_container_is_confined(stack: Stack, service: str) -> None:
    about = stack.inspect(service)
    assert about["HostConfig"]["ReadonlyRootfs"]
    assert about["EffectiveCaps"] in (None, [])
    assert "no-new-privileges" in about["HostConfig"]["SecurityOpt"]
    assert about["Config"]["User"] == f"{USER}:{USER}"
    ports = about["NetworkSettings"]["Ports"].values()
    assert {place["HostIp"] for places in ports if places for place in places} <= {"127.0.0.1"}


def test_storage_is_that_of_this_machine(stack: Stack) -> None:
    """The service has the champion that was registered here, and its log is written here."""
    champion = json.loads((stack.project / f"storage/models/{NAME}/champion.json").read_text())
    page = stack.world.get("http://127.0.0.1:8000/")[1]
    assert champion["digest"][:12] in page
    row = re.search(r"-d '?(\{.*?\})'? http", html.unescape(page))
    assert row
    status, answer = stack.world.get("http://127.0.0.1:8000/predict", row[1])
    assert status == 200
    folder = stack.project / "var/api"
    logged = wait_for(lambda: "".join(path.read_text() for path in folder.rglob("*.jsonl")))
    assert json.loads(answer)["request_id"] in logged
    # MLflow's files are where they are outside, for whoever retrains.
    mlflow = stack.project / "storage/mlflow.db"
    write = (
        "import sys; open(sys.argv[1], 'ab').close(); open(sys.argv[1] + '-journal', 'x').close()"
    )
    stack.world.run(
        "podman", "exec", f"{NAME}_receiver_1", "python", "-c", write, mlflow, network=False
    )
    (stack.project / "storage/mlflow.db-journal").unlink()


def test_alerts_reach_the_receiver_and_nobody_else_does(stack: Stack) -> None:
    """Alertmanager shows the receiver the token of the secret; Prometheus knows Alertmanager."""
    metrics = "http://receiver:9102/metrics"
    stack.world.run(
        *("podman", "exec", f"{NAME}_alertmanager_1", "amtool", "alert", "add", "Watchdog"),
        "--alertmanager.url=http://127.0.0.1:9093",
        network=False,
    )
    wait_for(lambda: "heartbeat_last_timestamp_seconds" in stack.ask("observe", metrics)[1], 90)
    known = json.loads(stack.world.get("http://127.0.0.1:9090/api/v1/alertmanagers")[1])["data"]
    assert [manager["url"] for manager in known["activeAlertmanagers"]] == [
        "http://alertmanager:9093/api/v2/alerts"
    ]
    assert stack.ask("observe", "http://receiver:9102/alerts", "{}")[0] == 401


def test_secrets_are_for_one_reader(stack: Stack) -> None:
    for secret in (stack.project / "deploy/secrets").iterdir():
        assert (secret.stat().st_mode & 0o777, secret.stat().st_uid) == (0o600, USER)
        assert secret.read_text() not in stack.said
    for service in RUN | PLACEHOLDERS:
        shown = json.dumps(stack.inspect(service))
        assert not [
            path
            for path in (stack.project / "deploy/secrets").iterdir()
            if path.read_text() in shown
        ]
