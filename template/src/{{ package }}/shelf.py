"""Where a model store keeps its files: in a folder, or in a bucket.

In a folder: <digest>/{model.onnx,…,verdict.json} and champion.json.
In a bucket: <digest>/manifest.json, which names the files of the model with their sha256, and each
file as <digest>/<name>.<start of its sha256>. A manifest is written last and in one piece, so a
model that was half written, or judged again half-way, is never seen. Machines keep copies of what
they opened in ``MODEL_CACHE``, and check them against the manifest.
"""

import contextlib
import fcntl
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from . import blobs
from .blobs import ANY, Bucket, Location, Taken
from .errors import ProjectError
from .settings import Settings

FILES = ("model.onnx", "model.json", "contract.odcs.yaml", "background.npy")
# What models of earlier days do not have.
EXTRAS = ("reference.json", "anchor.parquet", "staleness.json", "trained_on.npy")
# Extras that tell of single rows: out of a bucket they are copied only on demand, and not kept.
ROWS = ("anchor.parquet", "trained_on.npy")

VERDICT = "verdict.json"
MANIFEST = "manifest.json"
POINTER = "champion.json"
DIGEST = re.compile(r"[0-9a-f]{64}")
# Who reads a model while it is judged again finds it at the second try.
TRIES = 4
# What no manifest names is of a command that was killed, or still runs.
UNFINISHED = timedelta(hours=1)


class Damaged(ProjectError):
    """A file of a stored model is not what was put there."""


class Shelf(Protocol):
    @property
    def place(self) -> Location:
        """Where the models are."""

    def put(self, digest: str, folder: Path, verdict: Mapping[str, Any]) -> None:
        """Store the files of a model with its verdict, in the place of those before."""

    def complete(self, digest: str, folder: Path) -> None:
        """Give a stored model the extras that it lacks."""

    def digests(self) -> list[str]: ...

    def fetch(self, digest: str, rows: bool) -> Path | None:
        """A folder with the files of a model, those of single rows on demand; raise Damaged."""

    def extra(self, digest: str, name: str) -> Path | None:
        """One file of a model."""

    def replace(self, digest: str, name: str, path: Path) -> None:
        """Let an extra hold what is in this file, and nothing keep what it held before."""

    def pointer(self) -> tuple[bytes, str] | None:
        """What champion.json holds, and its tag."""

    def point(self, content: bytes, over: str | None = ANY) -> None:
        """Write champion.json, over the one with this tag; raise Taken."""

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """One decision at a time, as far as this kind of store can see to it."""


def at(root: Location, name: str) -> Shelf:
    if isinstance(root, Path):
        return FolderShelf(root / name)
    return BucketShelf(f"{root}/{name}", Settings().model_cache / name)


def names(folder: Path) -> list[str]:
    """The files of a model that are to be stored."""
    return [*FILES, *(name for name in EXTRAS if (folder / name).is_file())]


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def to_json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n"


class FolderShelf:
    def __init__(self, folder: Path) -> None:
        self.place = folder

    def put(self, digest: str, folder: Path, verdict: Mapping[str, Any]) -> None:
        self.place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.place, prefix=".put-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            for name in names(folder):
                shutil.copyfile(folder / name, new / name)
            (new / VERDICT).write_bytes(to_json(verdict))
            place = self.place / digest
            if place.exists():
                if all(_same(place / path.name, path) for path in new.iterdir()):
                    return
                # The same model was judged again, say under an edited contract.
                place.rename(Path(scratch) / "old")
            new.rename(place)

    def complete(self, digest: str, folder: Path) -> None:
        place = self.place / digest
        for name in set(names(folder)) - {path.name for path in place.iterdir()}:
            with tempfile.TemporaryDirectory(dir=self.place, prefix=".extra-") as scratch:
                shutil.copyfile(folder / name, Path(scratch) / name)
                (Path(scratch) / name).rename(place / name)

    def digests(self) -> list[str]:
        names = (path.name for path in self.place.glob("*") if path.is_dir())
        return sorted(name for name in names if not name.startswith("."))

    def fetch(self, digest: str, rows: bool) -> Path | None:
        folder = self.place / digest
        return folder if folder.is_dir() else None

    def extra(self, digest: str, name: str) -> Path | None:
        path = self.place / digest / name
        return path if path.exists() else None

    def replace(self, digest: str, name: str, path: Path) -> None:
        place = self.place / digest / name
        if path != place:
            unfinished = place.with_name(f"{name}.unfinished")
            shutil.copyfile(path, unfinished)
            unfinished.replace(place)

    def pointer(self) -> tuple[bytes, str] | None:
        try:
            return (self.place / POINTER).read_bytes(), ANY
        except FileNotFoundError:
            return None

    def point(self, content: bytes, over: str | None = ANY) -> None:
        with tempfile.TemporaryDirectory(dir=self.place, prefix=".champion-") as scratch:
            new = Path(scratch) / POINTER
            new.write_bytes(content)
            new.replace(self.place / POINTER)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        self.place.mkdir(parents=True, exist_ok=True)
        with (self.place / ".lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _same(one: Path, other: Path) -> bool:
    return one.exists() and one.read_bytes() == other.read_bytes()


class BucketShelf:
    """Nothing is locked here: of two that write the same name, one is refused."""

    def __init__(self, url: str, cache: Path) -> None:
        self.place = url
        self._bucket: Bucket = blobs.bucket(url)
        self._cache = cache
        # Copies with single rows, which go with this object.
        self._copies: list[tempfile.TemporaryDirectory[str]] = []

    def put(self, digest: str, folder: Path, verdict: Mapping[str, Any]) -> None:
        files = {name: (folder / name).read_bytes() for name in names(folder)}
        self._write(digest, files | {VERDICT: to_json(verdict)}, anew=True)

    def complete(self, digest: str, folder: Path) -> None:
        known, _ = self._manifest(digest)
        if lacking := set(names(folder)) - set(known):
            self._write(digest, {name: (folder / name).read_bytes() for name in lacking})

    def replace(self, digest: str, name: str, path: Path) -> None:
        self._write(digest, {name: path.read_bytes()})
        known, _ = self._manifest(digest)
        named = {f"{digest}/{MANIFEST}", *(_name(digest, one, sha) for one, sha in known.items())}
        oldest = datetime.now(UTC) - UNFINISHED
        for listed in self._bucket.files(f"{digest}/"):
            if listed.name not in named and listed.changed < oldest:
                self._bucket.delete(listed.name)

    def _write(self, digest: str, files: Mapping[str, bytes], anew: bool = False) -> None:
        """Write files and then the manifest that names them beside, or instead of, the others."""
        new = {name: sha256(content) for name, content in files.items()}
        for _ in range(TRIES):
            before, tag = self._manifest(digest)
            after = new if anew else before | new
            if after == before:
                return
            for name in new:
                if before.get(name) != new[name]:
                    self._bucket.write(_name(digest, name, new[name]), files[name])
            try:
                self._bucket.write(f"{digest}/{MANIFEST}", to_json(after), over=tag)
            except Taken:
                continue  # another process stores the same model
            for name, sha in before.items() - after.items():
                self._bucket.delete(_name(digest, name, sha))
            return
        raise Taken(f"{self.place}/{digest} is written by another process: run this again")

    def digests(self) -> list[str]:
        return [name for name in self._bucket.folders() if DIGEST.fullmatch(name)]

    def fetch(self, digest: str, rows: bool) -> Path | None:
        for _ in range(TRIES):
            known, _ = self._manifest(digest)
            if not known:
                return None
            with contextlib.suppress(FileNotFoundError):  # it has just been judged again
                kept = self._kept(digest, {n: d for n, d in known.items() if n not in ROWS})
                return self._with_rows(digest, kept, known) if rows else kept
        raise Damaged(f"{self.place}/{digest} lacks a file that its manifest names")

    def _kept(self, digest: str, files: Mapping[str, str]) -> Path:
        """The folder in the cache that holds exactly these files."""
        version = sha256(to_json(files))
        place = self._cache / digest / version[:16]
        if all(_is(place / name, sha) for name, sha in files.items()):
            return place
        self._cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix=".new-") as scratch:
            new = Path(scratch) / "new"
            new.mkdir()
            for name, sha in files.items():
                (new / name).write_bytes(self._read(digest, name, sha))
            place.parent.mkdir(exist_ok=True)
            if place.exists():
                place.rename(Path(scratch) / "old")
            try:
                new.rename(place)
            except OSError:  # another process was quicker
                if not place.is_dir():
                    raise
        return place

    def _with_rows(self, digest: str, kept: Path, known: Mapping[str, str]) -> Path:
        copy = tempfile.TemporaryDirectory(prefix="model-")
        self._copies.append(copy)
        folder = Path(copy.name)
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        for name in ROWS:
            if name in known:
                (folder / name).write_bytes(self._read(digest, name, known[name]))
        return folder

    def extra(self, digest: str, name: str) -> Path | None:
        known, _ = self._manifest(digest)
        if name not in known:
            return None
        copy = tempfile.TemporaryDirectory(prefix="model-")
        self._copies.append(copy)
        path = Path(copy.name) / name
        path.write_bytes(self._read(digest, name, known[name]))
        return path

    def pointer(self) -> tuple[bytes, str] | None:
        try:
            found = self._bucket.read(POINTER)
        except FileNotFoundError:
            return None
        return found.content, found.tag

    def point(self, content: bytes, over: str | None = ANY) -> None:
        try:
            self._bucket.write(POINTER, content, over)
        except Taken:
            # Unless it was written, but the answer was lost, and the client tried again.
            if self._bucket.read(POINTER).content != content:
                raise

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        yield

    def _manifest(self, digest: str) -> tuple[dict[str, str], str | None]:
        """The sha256 of each file, and the manifest's tag; nothing and None if there is none."""
        try:
            found = self._bucket.read(f"{digest}/{MANIFEST}")
        except FileNotFoundError:
            return {}, None
        try:
            return dict(json.loads(found.content)), found.tag
        except ValueError:
            raise Damaged(f"{self.place}/{digest}/{MANIFEST} is damaged: register again") from None

    def _read(self, digest: str, name: str, sha: str) -> bytes:
        content = self._bucket.read(_name(digest, name, sha)).content
        if sha256(content) != sha:
            place = f"{self.place}/{_name(digest, name, sha)}"
            raise Damaged(f"{place} is not the file that was stored: register the model again")
        return content


def _name(digest: str, name: str, sha: str) -> str:
    return f"{digest}/{name}.{sha[:16]}"


def _is(path: Path, sha: str) -> bool:
    return path.is_file() and sha256(path.read_bytes()) == sha
