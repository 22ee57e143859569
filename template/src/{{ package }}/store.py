"""The model store: a folder of judged models by digest, and a pointer to the one that serves.

<root>/<name>/<digest>/{model.onnx,model.json,contract.odcs.yaml,background.npy,verdict.json}
<root>/<name>/champion.json
<root>/<name>/audit.jsonl
"""

import fcntl
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .audit import AuditLog, Entry, history
from .errors import ProjectError
from .model import file_digest

FILES = ("model.onnx", "model.json", "contract.odcs.yaml", "background.npy")
# What serving does not need, and models of earlier days do not have.
EXTRAS = ("reference.json", "anchor.parquet", "staleness.json", "trained_on.npy")
DIGEST = re.compile(r"[0-9a-f]{64}")


class StoreError(ProjectError):
    """The store does not hold what was asked for, or cannot be read."""


class Unblessed(StoreError):
    """No passing verdict was given for exactly these bytes."""


@dataclass(frozen=True)
class Champion:
    """What champion.json says: the digest that serves, since when, and how it was judged.

    ``loss`` was measured on the test rows of the data with the sha256 ``data``.
    """

    digest: str
    since: str
    loss: float
    data: str
    metrics: dict[str, Any]


class ModelStore:
    def __init__(self, root: Path, name: str) -> None:
        self._folder = root / name
        self._pointer = self._folder / "champion.json"
        self.audit = AuditLog(self._folder)

    def put(self, folder: Path, verdict: Mapping[str, Any]) -> str:
        """Store the model in this folder with its verdict; return its digest."""
        digest = file_digest(folder / "model.onnx")
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".put-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            for name in (*FILES, *_extras(folder)):
                shutil.copyfile(folder / name, new / name)
            _write_json(new / "verdict.json", verdict)
            self._move(new, self._folder / digest, Path(scratch) / "old")
        return digest

    @staticmethod
    def _move(new: Path, place: Path, old: Path) -> None:
        if place.exists():
            if all(
                (place / path.name).exists() and file_digest(place / path.name) == file_digest(path)
                for path in new.iterdir()
            ):
                return
            # The same model was judged again, say under an edited contract.
            place.rename(old)
        new.rename(place)

    def complete(self, digest: str, folder: Path) -> None:
        """Give a stored model the extras that it lacks, from the folder of the same model."""
        place = self._folder / digest
        for name in set(_extras(folder)) - set(_extras(place)):
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".extra-") as scratch:
                shutil.copyfile(folder / name, Path(scratch) / name)
                (Path(scratch) / name).rename(place / name)

    def find(self, start: str) -> str:
        """The digest of the stored model that begins so; raise StoreError if not just one does."""
        found = [path.name for path in self._folder.glob("*") if path.name.startswith(start)]
        found = [name for name in found if DIGEST.fullmatch(name)]
        if len(found) != 1:
            number = "no" if not found else "more than one"
            raise StoreError(f"{number} model in {self._folder} begins with {start!r}")
        return found[0]

    def open(self, digest: str) -> Path:
        """The folder of a model that may serve; raise Unblessed, saying why, for any other."""
        folder = self._folder / digest
        if not DIGEST.fullmatch(str(digest)) or not folder.is_dir():
            raise Unblessed(f"model {digest} is not in the store {self._folder}")
        missing = [name for name in (*FILES, "verdict.json") if not (folder / name).is_file()]
        if missing:
            raise Unblessed(f"model {digest} has no {', '.join(missing)}")
        verdict = _read_json(folder / "verdict.json")
        if verdict.get("passed") is not True:
            raise Unblessed(f"model {digest} did not pass its evaluation")
        if {digest, verdict.get("model")} != {file_digest(folder / "model.onnx")}:
            raise Unblessed(f"model {digest}: model.onnx is not the file that the verdict is about")
        if verdict.get("contract") != file_digest(folder / "contract.odcs.yaml"):
            raise Unblessed(f"model {digest}: the contract is not the one that it was judged under")
        return folder

    def champion(self) -> Champion | None:
        """What serves; None before the first model was registered."""
        if not self._pointer.exists():
            return None
        content = _read_json(self._pointer)
        if content.keys() != {field.name for field in fields(Champion)}:
            raise StoreError(f"{self._pointer} does not have the keys of a champion pointer")
        return Champion(**content)

    def open_champion(self) -> Path:
        """The folder of the model that serves; raise StoreError when there is none that may."""
        champion = self.champion()
        if champion is None:
            raise StoreError(f"no model is registered in {self._folder}: run register first")
        return self.open(champion.digest)

    def previous(self) -> str | None:
        """The digest that served before the champion, and was not rolled back itself."""
        champion = self.champion()
        served = history(self.audit.entries()).served
        if champion is not None and served[-1:] == [champion.digest]:
            served.pop()
        return served[-1] if served else None

    def rolled_back(self, digest: str) -> Entry | None:
        """The audit entry by which this model was taken out of service, if that is its last."""
        return history(self.audit.entries()).rolled_back.get(digest)

    def move(
        self, action: str, digest: str, reason: str, *, before: Champion | None, **facts: Any
    ) -> Champion:
        """Let this model serve from now on, with an audit entry that stands before it does.

        ``before`` is the champion that the decision was made against: raises StoreError when
        another one serves by now, and Unblessed when this model may not. A kill in between leaves
        the old champion, and an entry that ``correct`` puts right.
        """
        with self._locked():
            if self.champion() != before:
                raise StoreError("the champion changed meanwhile: run the command again")
            self._correct()
            self.open(digest)
            previous = before.digest if before else None
            self.audit.append(action, model=digest, previous=previous, reason=reason, **facts)
            return self.set_champion(digest)

    def correct(self) -> None:
        """Add an audit entry where the log tells of another champion than the one that serves.

        A command that was killed in ``move``, a pointer changed by hand and a store older than its
        log leave it so. What serves is what counts.
        """
        with self._locked():
            self._correct()

    def _correct(self) -> None:
        champion = self.champion()
        digest = champion.digest if champion else None
        told = history(self.audit.entries()).champion
        if told != digest:
            reason = (
                f"champion.json names {digest or 'no model'}, and this log {told or 'none'}: a "
                "command was killed before it was done, or the pointer was changed by hand"
            )
            self.audit.append("correct", model=digest, previous=told, reason=reason)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One decision at a time."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def set_champion(self, digest: str) -> Champion:
        """Let this model serve from now on; raise Unblessed when it may not."""
        verdict = _read_json(self.open(digest) / "verdict.json")
        since = datetime.now(UTC).isoformat(timespec="microseconds")
        champion = Champion(
            digest, since, verdict["loss"]["value"], verdict["data"], verdict["metrics"]
        )
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".champion-") as scratch:
            new = Path(scratch) / "champion.json"
            _write_json(new, asdict(champion))
            new.replace(self._pointer)
        return champion


def _extras(folder: Path) -> list[str]:
    return [name for name in EXTRAS if (folder / name).is_file()]


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    text = json.dumps(content, indent=2, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise StoreError(f"{path} is not a JSON object")
    return content
