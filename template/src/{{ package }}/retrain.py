"""Retraining: the newest data, the committed code, and the same gates as for every model.

It happens in a workspace of its own, so that a run that fails or is killed leaves the project and
the champion as they were. Only the last step, `register`, can change what serves.
"""

import fcntl
import json
import re
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import IO, Literal

from . import leash, workspace
from .errors import ProjectError
from .model import file_digest
from .settings import MODEL, MODEL_NAME, RETRAIN, Settings
from .store import Champion, ModelStore

Result = Literal["promoted", "unchanged", "refused", "failed"]

LOCK = "lock"
LAST = "last.json"
WORK = "work"
DVC = (sys.executable, "-m", "dvc")
FINDINGS = 3
# What DVC makes of a stage that ended with findings.
STAGE_FINDINGS = re.compile(rf"exited with {FINDINGS}$")
# Whoever looks whether a retraining runs holds the lock for a moment.
LOCK_SECONDS = 1.0


class Busy(ProjectError):
    """Another process holds the lock of retraining."""


class Stopped(ProjectError):
    """Somebody ended this run."""


class StepFailed(ProjectError):
    """A step did not do what it is there for."""


class Refused(ProjectError):
    """The data or the model did not pass a check."""


@dataclass(frozen=True)
class Outcome:
    """What came of a run, ``reason`` being why it was started and ``detail`` what decided it.

    ``model`` is the digest of the model that was made, None when none was.
    """

    outcome: Result
    reason: str
    detail: str
    model: str | None
    commit: str | None
    seconds: float
    time: str


@dataclass
class Run:
    """One run: what it needs, and the commit and the model as soon as they are known.

    ``champion`` is what serves when it begins.
    """

    project: Path
    folder: Path
    reason: str
    settings: Settings
    lock: IO[str]
    champion: Champion | None
    commit: str | None = None
    model: str | None = None
    environment: dict[str, str] = field(default_factory=dict)


def retrain(reason: str, settings: Settings) -> Outcome:
    """Retrain the project in the current folder; raise Busy when that is being done already."""
    folder = Path.cwd() / RETRAIN
    with locked(folder / LOCK) as lock:
        started = time.monotonic()
        store = ModelStore(settings.model_store, MODEL_NAME)
        run = Run(Path.cwd(), folder / WORK, reason, settings, lock, store.champion())
        result: Result
        try:
            with stoppable():
                result, detail = _make_and_register(run)
        except Refused as error:
            result, detail = "refused", str(error)
        except (ProjectError, OSError) as error:
            result, detail = "failed", str(error)
        outcome = Outcome(
            outcome=result,
            reason=reason,
            detail=detail,
            model=run.model,
            commit=run.commit,
            seconds=round(time.monotonic() - started, 1),
            time=datetime.now(UTC).isoformat(timespec="microseconds"),
        )
        # It holds a copy of the data, which nobody would look for there.
        shutil.rmtree(run.folder, ignore_errors=True)
        _write(folder / LAST, outcome)
        store.audit.append(
            "retrain",
            model=run.model,
            previous=run.champion.digest if run.champion else None,
            reason=reason,
            outcome=result,
            detail=detail,
        )
    return outcome


@contextmanager
def locked(path: Path) -> Iterator[IO[str]]:
    """Hold the lock of retraining; raise Busy when another process does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise Busy(f"a retraining, or an erase, is running: it holds {path}") from None
                time.sleep(0.05)
        yield file


def is_running(folder: Path) -> bool:
    """Whether some process is retraining the project that this is the retraining folder of."""
    try:
        with (folder / LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def last(folder: Path) -> Outcome | None:
    """The outcome of the last run that came to an end."""
    try:
        return Outcome(**json.loads((folder / LAST).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise ProjectError(f"{folder / LAST} cannot be read: {error}; delete it") from None


def _write(path: Path, outcome: Outcome) -> None:
    unfinished = path.with_suffix(".unfinished")
    try:
        unfinished.write_text(json.dumps(asdict(outcome)) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise ProjectError(f"{path} cannot be written: {error}") from None


@contextmanager
def stoppable() -> Iterator[None]:
    """Raise Stopped on SIGTERM and SIGINT, so that the run says how it ended."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Stopped(f"stopped by {signal.Signals(number).name}")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _make_and_register(run: Run) -> tuple[Result, str]:
    """What came of it and why; raises ProjectError when a step failed or refused."""
    run.commit = workspace.make(run.project, run.folder, run.settings)
    run.environment = workspace.environment(run.project, run.folder, run.commit, run.settings)
    _step(run, "ingest", [MODEL_NAME, "ingest"])
    _step(run, "dvc repro", [*DVC, "repro"])
    run.model = file_digest(run.folder / MODEL / "model.onnx")
    # Before the model can serve: its data must be found again.
    _step(run, "dvc push", [*DVC, "push"])
    said = _step(run, "register", [MODEL_NAME, "register", f"--reason={run.reason}"])
    now = ModelStore(run.settings.model_store, MODEL_NAME).champion()
    return "unchanged" if now == run.champion else "promoted", said


def _step(run: Run, name: str, command: Sequence[str]) -> str:
    """Run one step; return the last line that it printed, or raise with the line that says why."""
    print(f"── {name}", file=sys.stderr, flush=True)
    limit = run.settings.retrain_step_seconds
    ended = leash.run(command, run.folder, run.environment, limit, [run.lock.fileno()])
    if ended.code is None:
        raise StepFailed(f"{name} took longer than RETRAIN_STEP_SECONDS, {limit:,g}")
    lines = [line.strip() for line in ended.lines if line.strip()]
    told = [line for line in lines if not line.startswith("ERROR: failed to reproduce")]
    why = told[-1].removeprefix("Error: ") if told else f"exit code {ended.code}"
    if ended.code == FINDINGS or any(map(STAGE_FINDINGS.search, lines[-1:])):
        raise Refused(f"{name}: {why}")
    if ended.code != 0:
        raise StepFailed(f"{name}: {why}")
    return why
