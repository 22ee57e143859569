"""Versions of the data that DVC keeps: in its cache, and in remotes that are folders here.

A version is named by the hash of its bytes, so nothing can be taken out of it: it is there or not.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dvc.config import Config

from .scrub import is_parquet

DVC = Path(".dvc")


@dataclass(frozen=True)
class Versions:
    """The tables in ``folders``. ``elsewhere`` are remotes that only their service opens."""

    folders: list[Path]
    elsewhere: list[str]

    def tables(self) -> list[Path]:
        """Every version that is a Parquet table, whether or not anything refers to it."""
        files = (path for folder in self.folders for path in folder.rglob("*") if path.is_file())
        return [path for path in files if is_parquet(path)]

    def remove(self, unwanted: Callable[[Path], bool]) -> int:
        """Delete the tables that are unwanted; return how many went."""
        gone = [path for path in self.tables() if unwanted(path)]
        for path in gone:
            path.unlink()
        return len(gone)


def find() -> Versions:
    if not DVC.is_dir():
        return Versions([], [])
    config = Config.from_cwd()
    urls = {name: remote["url"] for name, remote in config["remote"].items()}
    local = [url for url in urls.values() if Path(url).is_absolute()]
    # Beside the cache, DVC's folder holds copies while experiments run.
    folders = {Path(path).resolve() for path in (DVC, config["cache"].get("dir", DVC), *local)}
    return Versions(
        sorted(path for path in folders if path.is_dir()),
        [f"{name} ({url})" for name, url in urls.items() if url not in local],
    )
