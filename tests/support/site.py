"""A project in operation: its processes, the requests that people send, and a world that changes.

A site is a copy of a project in which the loop has run, with the project's own environment. What a
drill does to it, and when it happened, is kept as a timeline.
"""

import gzip
import itertools
import json
import os
import secrets
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import polars as pl

from support.monitoring import Watched, free_port, wait_until, watch

TOKEN = secrets.token_urlsafe()
HURRY = {"POLL_SECONDS": "0.2", "SEGMENT_SECONDS": "0.5", "RETRAIN_MIN_SECONDS": "3"}
PORTS = {"serve": "PORT", "observe": "OBSERVE_PORT", "receive": "RETRAIN_PORT"}
HEALTH = {"serve": "/readyz", "observe": "/metrics", "receive": "/healthz"}
JOBS = {"serve": "api", "observe": "observe", "receive": "receiver"}
OPTIONS = {"observe": ["--every", "1"]}


@dataclass
class Site:
    folder: Path
    environment: Path
    name: str
    say: Callable[[str], None]
    env: dict[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    # Commands and processes --------------------------------------------------------------------

    def environ(self) -> dict[str, str]:
        path = os.pathsep.join([str(self.environment / "bin"), "/usr/bin", "/bin"])
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        own = {"PATH": path, "PYTHONPATH": str(self.folder / "src"), "RETRAIN_TOKEN": TOKEN}
        return {**kept, **own, **HURRY, **self.env}

    def run(self, *arguments: str, expect: int = 0) -> str:
        """Run one of the project's commands to its end."""
        done = subprocess.run(
            [self.name, *arguments],
            executable=self.environment / "bin" / self.name,
            cwd=self.folder,
            env=self.environ(),
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == expect, said[-5000:]
        return said

    def start(self, command: str, prefix: tuple[str, ...] = (), **env: str) -> None:
        """Start one of the servers, and wait until it is healthy."""
        port = self.ports.setdefault(command, free_port())
        log = self.folder / "var" / f"{command}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("ab") as output:
            self.processes[command] = subprocess.Popen(
                [
                    *(*prefix, str(self.environment / "bin" / self.name), command),
                    *OPTIONS.get(command, []),
                ],
                cwd=self.folder,
                env={**self.environ(), PORTS[command]: str(port), **env},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

        def healthy() -> bool:
            assert self.processes[command].poll() is None, log.read_text()[-3000:]
            try:
                return self.get(command, HEALTH[command]).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(healthy, f"{command} is healthy")

    @contextmanager
    def running(self, *commands: str) -> Iterator[None]:
        """These servers, until the block ends."""
        with ExitStack() as stack:
            for command in commands:
                stack.callback(self.stop, command)
                self.start(command)
            yield

    def stop(self, command: str, how: signal.Signals = signal.SIGTERM) -> None:
        process = self.processes.pop(command, None)
        if process is None:
            return
        if how == signal.SIGKILL:
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    # Requests ----------------------------------------------------------------------------------

    def get(self, command: str, path: str) -> httpx.Response:
        return httpx.get(self.url(command) + path, timeout=10, trust_env=False)

    def url(self, command: str) -> str:
        return f"http://127.0.0.1:{self.ports[command]}"

    def client(self) -> httpx.Client:
        """Of the service."""
        return httpx.Client(base_url=self.url("serve"), timeout=10, trust_env=False)

    def send(self, table: pl.DataFrame) -> None:
        """Ask for a prediction of each row; all must be answered."""
        with self.client() as client:
            for row in requests(table):
                answer = client.post("/predict", json=row)
                assert answer.status_code == 200, (row, answer.text)

    # What is there -----------------------------------------------------------------------------

    @property
    def store(self) -> Path:
        return self.folder / "storage/models" / self.name

    def champion(self) -> str:
        digest: str = json.loads((self.store / "champion.json").read_text())["digest"]
        return digest

    def audit(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.store / "audit.jsonl").read_text().splitlines()]

    def logged(self) -> set[str]:
        """The ids of the requests in the prediction log, shipped or not."""
        shipped = (self.folder / "storage/predictions").glob("date=*/*.jsonl.gz")
        local = (self.folder / "var/predictions").glob("*.jsonl")
        texts = [gzip.decompress(path.read_bytes()) for path in shipped]
        texts += [path.read_bytes() for path in local]
        lines = [line for text in texts for line in text.split(b"\n")[:-1]]
        return {json.loads(line)["request_id"] for line in lines}

    def valid(self) -> pl.DataFrame:
        """The cases that the project was made with."""
        (path,) = (self.folder / "data/valid").glob("*.parquet")
        return pl.read_parquet(path)

    def label(self, table: pl.DataFrame) -> None:
        """Let the outcomes of these cases become known."""
        folder = self.folder / "data/labels"
        folder.mkdir(parents=True, exist_ok=True)
        known = table.select("flight_id", "late", labelled_at=pl.lit(datetime.now(UTC)))
        known.write_parquet(folder / f"{time.time_ns()}.parquet")

    def source(self, table: pl.DataFrame) -> None:
        """From now on, this is what the source of training data holds."""
        path = self.folder / "var/source.parquet"
        path.parent.mkdir(exist_ok=True)
        table.write_parquet(path)
        self.env["DATA_SOURCE"] = str(path)

    @contextmanager
    def watched(self, speed: float = 3600) -> Iterator[Watched]:
        """Prometheus and Alertmanager beside what runs now."""
        folder = self.folder / "var/watch"
        folder.mkdir(parents=True)
        token = folder / "token"
        token.write_text(TOKEN)
        targets = {JOBS[name]: f"127.0.0.1:{port}" for name, port in self.ports.items()}
        with watch(self.folder, folder, targets, self.url("receive"), token, speed) as watched:
            yield watched


class Traffic:
    """Requests that go on until the block ends: what was answered, by whom, and what failed."""

    def __init__(self, site: Site, table: pl.DataFrame) -> None:
        self.answered: list[str] = []
        self.failed: list[Any] = []
        self.model = ""
        self._site = site
        self._rows = requests(table)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Traffic":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        with self._site.client() as client:
            for row in itertools.cycle(self._rows):
                if self._over.wait(0.005):
                    return
                try:
                    answer = client.post("/predict", json=row)
                except httpx.TransportError as error:
                    self.failed.append(error)
                    continue
                if answer.status_code == 200:
                    self.answered.append(answer.json()["request_id"])
                    self.model = answer.json()["model"]
                else:
                    self.failed.append(answer.text)


def requests(table: pl.DataFrame) -> list[dict[str, Any]]:
    """What callers know at the moment of the prediction."""
    later = ("arr_time", "air_time", "arr_delay", "late", "tailnum")
    rows = table.drop(later).fill_nan(None).to_dicts()
    return [{**row, "sched_dep": row["sched_dep"].isoformat()} for row in rows]


def open_site(made: Path, folder: Path, tell: Callable[[str], None]) -> Site:
    """A copy of a project that has been made; nothing runs yet. `tell` gets each line of `say`."""
    shutil.copytree(made, folder, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    began = time.monotonic()

    def say(what: str) -> None:
        tell(f"{time.monotonic() - began:6.1f} s  {what}")

    return Site(folder, made / ".venv", made.name, say)
