"""Starts one retraining at a time, not too often, and never twice for one alert.

What it knows is in a file that is replaced as a whole before anything is started: however it ends,
the next one knows as much.
"""

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, get_args

from . import retrain
from .errors import ProjectError
from .settings import MODEL_NAME

log = logging.getLogger(__name__)

Answer = Literal["accepted", "duplicate", "rate_limited"]
COMMAND = (MODEL_NAME, "retrain")
# How long an alert is remembered at least. One that fires on is then a new request: by now there
# are newer data.
REMEMBERED_SECONDS = 3600.0
MOST_REMEMBERED = 1_000
# The time that a process needs from its start until it holds the lock.
START_SECONDS = 30.0
# Containers are killed 10 seconds after they were told to stop.
STOP_SECONDS = 8.0


@dataclass
class State:
    """What must survive a restart. Times are in seconds since 1970.

    ``seen`` is when each alert came, by digest; ``started`` is set while a run has not ended, and
    ``counted`` is the time of the last outcome that ``runs`` contains.
    """

    seen: dict[str, float] = field(default_factory=dict)
    last_start: float | None = None
    started: float | None = None
    counted: str | None = None
    runs: dict[str, int] = field(default_factory=lambda: dict.fromkeys(get_args(retrain.Result), 0))
    last_run: float | None = None
    last_success: float = 0.0
    heartbeat: float | None = None

    def write(self, path: Path) -> None:
        unfinished = path.with_suffix(".unfinished")
        unfinished.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")
        unfinished.replace(path)

    @classmethod
    def read(cls, path: Path) -> "State":
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError, TypeError) as error:
            raise ProjectError(f"{path} cannot be read: {error}; delete it to begin anew") from None


class Retrainer:
    """``folder`` is that of `retrain`; ``command`` gets the reason as one more argument."""

    def __init__(
        self, folder: Path, least_seconds: float, command: Sequence[str] = COMMAND
    ) -> None:
        self._folder = folder
        self._path = folder / "receiver.json"
        self._least_seconds = least_seconds
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        self.state = State.read(self._path)

    def ask(self, keys: Iterable[str], reason: str) -> Answer:
        """Retrain for these alerts, unless it has been done, or is too early.

        Raises OSError when that cannot be written down or started.
        """
        now = time.time()
        digests = [hashlib.sha256(key.encode()).hexdigest() for key in keys]
        self._forget(now)
        if all(digest in self.state.seen for digest in digests):
            return "duplicate"
        if self.is_running():
            # It takes the newest data, for whichever alert.
            self._remember(digests, now)
            return "duplicate"
        if self._is_too_early(now):
            return "rate_limited"
        before = replace(self.state)
        try:
            self.state.last_start = self.state.started = now
            self._remember(digests, now)
            self._start(reason)
        except OSError:
            self.state = before
            self._save()
            raise
        return "accepted"

    def _forget(self, now: float) -> None:
        longest = max(self._least_seconds, REMEMBERED_SECONDS)
        seen = sorted(self.state.seen.items(), key=lambda item: item[1])[-MOST_REMEMBERED:]
        self.state.seen = {digest: time for digest, time in seen if now - time < longest}

    def _remember(self, digests: Iterable[str], now: float) -> None:
        self.state.seen = self.state.seen | dict.fromkeys(digests, now)
        self.state.write(self._path)

    def _is_too_early(self, now: float) -> bool:
        last = self.state.last_start
        # A clock that was set back must not forbid it for ever.
        return last is not None and 0 <= now - last < self._least_seconds

    def _start(self, reason: str) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        log.info("retraining: %s", reason)
        self._child = subprocess.Popen(
            [*self._command, f"--reason={reason}"],
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            # It outlives a receiver that is killed, and the next one waits for it.
            start_new_session=True,
        )

    def is_running(self) -> bool:
        """Whether somebody is retraining; counts the outcome of a run that has ended meanwhile."""
        state = self.state
        if self._child is not None and self._child.poll() is None:
            return True
        if retrain.is_running(self._folder):
            return True
        child, self._child = self._child, None
        outcome = self._outcome()
        if outcome is not None and outcome.time != state.counted:
            state.counted = outcome.time
            ended = datetime.fromisoformat(outcome.time).timestamp()
            self._count(outcome.outcome, ended)
            if state.started is not None and ended >= state.started:
                state.started = None
            self._save()
        elif state.started is not None:
            if child is None and time.time() - state.started < START_SECONDS:
                return True
            # It was killed before it could say anything.
            self._count("failed", time.time())
            state.started = None
            self._save()
        return False

    def _outcome(self) -> retrain.Outcome | None:
        try:
            return retrain.last(self._folder)
        except ProjectError as error:
            log.error("%s", error)
            return None

    def _count(self, outcome: retrain.Result, when: float) -> None:
        self.state.runs[outcome] = self.state.runs.get(outcome, 0) + 1
        self.state.last_run = when
        if outcome in ("promoted", "unchanged"):
            self.state.last_success = when

    def note_heartbeat(self) -> None:
        self.state.heartbeat = time.time()
        self._save()

    def _save(self) -> None:
        try:
            self.state.write(self._path)
        except OSError as error:
            log.error("%s cannot be written: %s", self._path, error)

    def stop(self) -> None:
        """End the run that was started from here.

        Whoever stops a service wants nothing of it to go on, and a container would kill it anyway.
        An ended run changes nothing, and counts as failed.
        """
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
        self.is_running()
