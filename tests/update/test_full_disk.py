"""An update on a disk that is full, or that fills up on the way, changes nothing.

The disk is a small one of its own, and mounting it wants root, so this is not part of the bare
`nox`. It runs out of pages at one time and of file names at another.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .cases import EVERYTHING, SEED
from .killing import Frozen, World, end, leftovers, new_world, run, start, update

PAGE = 4096
Fill = Callable[[Path, int], None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return new_world(tmp_path_factory.mktemp("full"))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    size = "size=4m,nr_inodes=2000"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "dayone", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def leave_pages(disk: Path, count: int) -> None:
    """Fill a disk up to so many pages."""
    state = os.statvfs(disk)
    (disk / "ballast").mkdir()
    (disk / "ballast/one").write_bytes(b"x" * (state.f_bavail * state.f_frsize - count * PAGE))


def leave_names(disk: Path, count: int) -> None:
    """Fill a disk up to so many files."""
    (disk / "ballast").mkdir()
    for number in range(os.statvfs(disk).f_favail - count):
        (disk / f"ballast/{number}").touch()


FILLS = {"pages": leave_pages, "names": leave_names}


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_an_update_meets_the_end_of_the_disk(world: World, disk: Path, fill: Fill) -> None:
    needed = _needed(world, disk, fill)
    left = [0, *range(1, needed)] if EVERYTHING else _some(needed)
    said = set()
    for count in left:
        project = _on(world, disk)
        fill(disk, count)
        code, words = end(start(update(project)), project)
        assert (code, leftovers(project)) == (1, []), words
        assert not world.judge(project), count
        assert words.count("\nError: ") == 1
        said.add(words.rpartition("Error: ")[2])
        shutil.rmtree(disk / "ballast")
        assert run(update(project), project) == 0
        assert world.judge_mended(project)
    assert len(said) > 2, "it always failed at the same place"


def _needed(world: World, disk: Path, fill: Fill) -> int:
    """How much an update must find, at least."""
    low, high = 0, 256
    while low < high:
        middle = (low + high) // 2
        project = _on(world, disk)
        fill(disk, middle)
        done = run(update(project), project) == 0
        assert world.judge_mended(project) == done
        low, high = (low, middle) if done else (middle + 1, high)
        shutil.rmtree(disk / "ballast")
    return high


def _some(needed: int) -> list[int]:
    """None, nearly enough, and some in between."""
    between = random.Random(SEED).sample(range(1, needed - 1), 5)  # noqa: S311
    return [0, *sorted(between), needed - 1]


def _on(world: World, disk: Path) -> Path:
    return world.fresh(disk / "project")


@pytest.mark.parametrize("fill", FILLS.values(), ids=FILLS)
def test_the_switch_meets_the_end_of_the_disk(world: World, disk: Path, fill: Fill) -> None:
    """All is ready, and then somebody else fills the disk."""
    frozen = Frozen(world, disk)
    ends = []
    for count in range(16):
        frozen.restore()
        fill(disk, count)
        code = run(frozen.command, frozen.project)
        ends.append(code == 0)
        assert world.judge_mended(frozen.project) == ends[-1], count
        shutil.rmtree(disk / "ballast")
    assert set(ends) == {False, True}
