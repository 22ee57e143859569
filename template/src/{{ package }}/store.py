"""The model store: judged models by digest, and a pointer to the one that serves.

<root>/<name>/<digest>: model.onnx, model.json, contract.odcs.yaml, background.npy, verdict.json
<root>/<name>/champion.json
<root>/<name>/audit.jsonl, or in a bucket audit/<number>.json
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import shelf
from .audit import AuditLog, Entry, Overtaken, history
from .blobs import ANY, Location, Taken
from .errors import ProjectError
from .model import file_digest
from .shelf import DIGEST, FILES, POINTER, VERDICT, Damaged

MEANWHILE = "the champion changed meanwhile: run the command again"


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
    """``place`` is the folder of the model called so, or the URL."""

    def __init__(self, root: Location, name: str) -> None:
        self._shelf = shelf.at(root, name)
        self.place = self._shelf.place
        self.audit = AuditLog(self.place)

    def put(self, folder: Path, verdict: Mapping[str, Any]) -> str:
        """Store the model in this folder with its verdict; return its digest."""
        digest = file_digest(folder / "model.onnx")
        self._shelf.put(digest, folder, verdict)
        return digest

    def complete(self, digest: str, folder: Path) -> None:
        """Give a stored model the extras that it lacks, from the folder of the same model."""
        self._shelf.complete(digest, folder)

    def digests(self) -> list[str]:
        """All stored models."""
        return self._shelf.digests()

    def extra(self, digest: str, name: str) -> Path | None:
        """One file of a stored model, or a copy of it; None if it has none of that name."""
        return self._shelf.extra(digest, name)

    def replace(self, digest: str, name: str, path: Path) -> None:
        """Let an extra of a stored model hold what is in this file."""
        self._shelf.replace(digest, name, path)

    def find(self, start: str) -> str:
        """The digest of the stored model that begins so; raise StoreError if not just one does."""
        found = [digest for digest in self.digests() if digest.startswith(start)]
        found = [digest for digest in found if DIGEST.fullmatch(digest)]
        if len(found) != 1:
            number = "no" if not found else "more than one"
            raise StoreError(f"{number} model in {self.place} begins with {start!r}")
        return found[0]

    def open(self, digest: str, *, rows: bool = False) -> Path:
        """The folder of a model that may serve; raise Unblessed, saying why, for any other.

        Files that tell of single rows are sure to be in it only when ``rows`` says so.
        """
        folder = self._fetch(digest, rows)
        missing = [name for name in (*FILES, VERDICT) if not (folder / name).is_file()]
        if missing:
            raise Unblessed(f"model {digest} has no {', '.join(missing)}")
        verdict = _verdict(folder)
        if verdict.get("passed") is not True:
            raise Unblessed(f"model {digest} did not pass its evaluation")
        if {digest, verdict.get("model")} != {file_digest(folder / "model.onnx")}:
            raise Unblessed(f"model {digest}: model.onnx is not the file that the verdict is about")
        if verdict.get("contract") != file_digest(folder / "contract.odcs.yaml"):
            raise Unblessed(f"model {digest}: the contract is not the one that it was judged under")
        return folder

    def _fetch(self, digest: str, rows: bool) -> Path:
        try:
            folder = self._shelf.fetch(digest, rows) if DIGEST.fullmatch(str(digest)) else None
        except Damaged as error:
            raise Unblessed(str(error)) from None
        if folder is None:
            raise Unblessed(f"model {digest} is not in the store {self.place}")
        return folder

    def champion(self) -> Champion | None:
        """What serves; None before the first model was registered."""
        return self._pointer()[0]

    def _pointer(self) -> tuple[Champion | None, str | None]:
        """What serves, and the tag of the pointer that says so."""
        place = f"{self.place}/{POINTER}"
        try:
            found = self._shelf.pointer()
        except OSError as error:
            raise StoreError(f"{place} cannot be read: {error}") from None
        if found is None:
            return None, None
        content = _to_object(found[0], place)
        if content.keys() != {field.name for field in fields(Champion)}:
            raise StoreError(f"{place} does not have the keys of a champion pointer")
        return Champion(**content), found[1]

    def open_champion(self, *, rows: bool = False) -> Path:
        """The folder of the model that serves; raise StoreError when there is none that may."""
        champion = self.champion()
        if champion is None:
            raise StoreError(f"no model is registered in {self.place}: run register first")
        return self.open(champion.digest, rows=rows)

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
        with self._shelf.locked():
            champion, tag = self._pointer()
            if champion != before:
                raise StoreError(MEANWHILE)
            self._correct()
            self.open(digest)
            previous = before.digest if before else None
            try:
                self.audit.decide(action, model=digest, previous=previous, reason=reason, **facts)
            except Overtaken:
                raise StoreError(MEANWHILE) from None
            try:
                return self.set_champion(digest, over=tag)
            except Taken:
                why = "another process was quicker to write champion.json"
                self.audit.append("correct", model=previous, previous=digest, reason=why)
                self._correct()
                raise StoreError(MEANWHILE) from None

    def correct(self) -> None:
        """Add an audit entry where the log tells of another champion than the one that serves.

        A command that was killed in ``move``, a pointer changed by hand and a store older than its
        log leave it so. What serves is what counts.
        """
        with self._shelf.locked():
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

    def set_champion(self, digest: str, over: str | None = ANY) -> Champion:
        """Let this model serve from now on; raise Unblessed when it may not.

        Raises Taken when the pointer is not, or no longer, the one with the tag ``over``.
        """
        verdict = _verdict(self.open(digest))
        since = datetime.now(UTC).isoformat(timespec="microseconds")
        champion = Champion(
            digest, since, verdict["loss"]["value"], verdict["data"], verdict["metrics"]
        )
        self._shelf.point(shelf.to_json(asdict(champion)), over)
        return champion


def _verdict(folder: Path) -> dict[str, Any]:
    path = folder / VERDICT
    try:
        return _to_object(path.read_bytes(), str(path))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error}") from None


def _to_object(text: bytes, place: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{place} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise StoreError(f"{place} is not a JSON object")
    return content
