"""The model store: a folder of judged models by digest, and a pointer to the one that serves.

<root>/<name>/<digest>/{model.onnx,model.json,contract.odcs.yaml,background.npy,verdict.json}
<root>/<name>/champion.json
"""

import json
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .errors import ProjectError
from .model import file_digest

FILES = ("model.onnx", "model.json", "contract.odcs.yaml", "background.npy")
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

    def put(self, folder: Path, verdict: Mapping[str, Any]) -> str:
        """Store the model in this folder with its verdict; return its digest."""
        digest = file_digest(folder / "model.onnx")
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=".put-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            for name in FILES:
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
