"""Debian's Prometheus and Alertmanager with a project's own files, in a hurry.

    with watch(project, folder, {"api": "127.0.0.1:8000"}, receiver, token) as watched:
        watched.wait_for("TargetDown")

Hours become seconds: every duration of the rules and of Alertmanager is divided by `speed`. Targets
and the receiver are replaced by what the test started, jobs that it did not start are not watched,
and nothing else of the files is changed.
"""

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from support.rules import base

PATIENCE = 60
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
# A range must hold a few of the values that are read every second, and what ought to come every
# second may be a little late.
LEAST = {"range": 5.0, "compared": 5.0, "interval": 1.0, "for": 0.001}
DURATION = r"(\d+)(ms|s|m|h|d|w)"
PLACES = {
    re.compile(rf"(?<=\[){DURATION}(?=])"): "range",
    re.compile(rf"(?<=offset ){DURATION}\b"): "range",
    re.compile(rf"(?<= for: ){DURATION}$", re.M): "for",
    re.compile(rf"(?<=group_wait: ){DURATION}$", re.M): "for",
    re.compile(rf"(?<=_interval: ){DURATION}$", re.M): "interval",
}
# Seconds that an expression compares with.
MINUTES = re.compile(r"\b(\d+) \* 60\b")


def hurried(text: str, speed: float) -> str:
    """Rules or settings with every duration divided by `speed`."""

    def shorter(seconds: float, place: str) -> float:
        return max(seconds / speed, LEAST[place])

    for pattern, place in PLACES.items():
        text = pattern.sub(
            lambda found, place=place: (
                f"{shorter(int(found[1]) * SECONDS[found[2]], place) * 1000:.0f}ms"
            ),
            text,
        )
    return MINUTES.sub(lambda found: str(shorter(int(found[1]) * 60, "compared")), text)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def fetch(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310
        return json.loads(response.read())


def wait_until(done: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """Ask until the answer is true, and return it; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if answer := done():
                return answer
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {seconds} seconds")


@dataclass
class Program:
    """A server that can be stopped, killed and started again with the same files and port."""

    command: list[str | Path]
    log: Path
    url: str
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        try:
            wait_until(self._ready, f"{self.command[0]} is ready")
        except AssertionError as error:
            self.stop(signal.SIGKILL)
            raise AssertionError(f"{error}\n{self.log.read_text()[-3000:]}") from None

    def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process is None:
            return
        self.process.send_signal(how)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


@dataclass
class Watched:
    prometheus: Program
    alertmanager: Program

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples that an expression gives now: each with `metric` and `value`."""
        asked = urllib.parse.urlencode({"query": expression})
        answer = fetch(f"{self.prometheus.url}/api/v1/query?{asked}")
        return list(answer["data"]["result"])

    def value(self, expression: str) -> float | None:
        found = self.query(expression)
        return float(found[0]["value"][1]) if found else None

    def families(self) -> set[str]:
        """The metrics of every target, by base name, whether they have values or not."""
        known = fetch(f"{self.prometheus.url}/api/v1/metadata")["data"]
        return {base(name) for name in known}

    def alerts(self) -> list[dict[str, Any]]:
        """What Alertmanager knows to be firing, also what is inhibited."""
        return list(fetch(f"{self.alertmanager.url}/api/v2/alerts"))

    def firing(self, name: str, **labels: str) -> list[dict[str, Any]]:
        wanted = {"alertname": name, **labels}.items()
        return [alert for alert in self.alerts() if wanted <= alert["labels"].items()]

    def wait_for(self, name: str, seconds: float = PATIENCE, **labels: str) -> dict[str, Any]:
        """The alert, as soon as Alertmanager has it."""
        found = wait_until(
            lambda: self.firing(name, **labels), f"alert {name} {labels or ''} fires", seconds
        )
        return dict(found[0])

    def wait_for_end(self, name: str, seconds: float = PATIENCE, **labels: str) -> None:
        wait_until(
            lambda: not self.firing(name, **labels), f"alert {name} {labels or ''} ends", seconds
        )


@contextmanager
def watch(
    project: Path,
    folder: Path,
    targets: Mapping[str, str],
    receiver: str,
    token: Path,
    speed: float = 3600,
) -> Iterator[Watched]:
    """Watch `targets`, host:port by name of the job, and call `receiver`, a URL without a path.

    `token` is the file with the bearer token. Everything is written into `folder`.
    """
    ports = {"prometheus": free_port(), "alertmanager": free_port()}
    own = {name: f"127.0.0.1:{port}" for name, port in ports.items()}
    config = write_config(project, folder, {**targets, **own}, receiver, token, speed)
    prometheus = Program(
        [
            "prometheus",
            f"--config.file={config / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'prometheus'}",
            f"--web.listen-address={own['prometheus']}",
            "--rules.alert.resend-delay=1s",
            "--rules.alert.for-outage-tolerance=0s",
        ],
        folder / "prometheus.log",
        f"http://{own['prometheus']}",
    )
    alertmanager = Program(
        [
            "prometheus-alertmanager",
            f"--config.file={config / 'alertmanager.yml'}",
            f"--storage.path={folder / 'alertmanager'}",
            f"--web.listen-address={own['alertmanager']}",
            "--cluster.listen-address=",
        ],
        folder / "alertmanager.log",
        f"http://{own['alertmanager']}",
    )
    try:
        alertmanager.start()
        prometheus.start()
        yield Watched(prometheus, alertmanager)
    finally:
        prometheus.stop()
        alertmanager.stop()


def write_config(
    project: Path,
    folder: Path,
    targets: Mapping[str, str],
    receiver: str,
    token: Path,
    speed: float,
) -> Path:
    """The project's monitoring/ with other durations, targets and receiver."""
    config = folder / "monitoring"
    shutil.copytree(project / "monitoring", config)
    for path in config.glob("rules/*.yml"):
        path.write_text(hurried(path.read_text(), speed))

    path = config / "alertmanager.yml"
    text = hurried(path.read_text(), speed)
    assert "http://receiver:9102/" in text
    text = text.replace("http://receiver:9102/", f"{receiver}/")
    path.write_text(text.replace("/run/secrets/retrain_token", str(token)))

    path = config / "prometheus.yml"
    settings = yaml.safe_load(path.read_text())
    settings["global"] = {f"{name}_interval": "1s" for name in ("scrape", "evaluation")}
    (alerting,) = settings["alerting"]["alertmanagers"]
    alerting["static_configs"][0]["targets"] = [targets["alertmanager"]]
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    assert set(targets) <= set(jobs), f"no such job: {set(targets) - set(jobs)}"
    for name, target in targets.items():
        jobs[name]["static_configs"][0]["targets"] = [target]
    settings["scrape_configs"] = [jobs[name] for name in targets]
    path.write_text(yaml.safe_dump(settings))
    return config
