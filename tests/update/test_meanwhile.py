"""An update that fails by itself, or meets somebody at work in the project, changes nothing."""

from pathlib import Path

import pytest

from dayone.aside import mend
from support.cli import COMMAND, Result, dayone

from .killing import Frozen, World, end, leftovers, new_world, run, seen, start, wait_for


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return new_world(tmp_path_factory.mktemp("meanwhile"))


@pytest.fixture(scope="module")
def frozen(world: World, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    return Frozen(world, tmp_path_factory.mktemp("frozen"))


FAILURES = {
    "it says no": "sys.exit(3)",
    "it breaks in the middle": "(project / 'half').write_text('x'); (project / 'job').mkdir()",
    "it talks nonsense": "print('done!')",
    "it is killed": "os.kill(os.getpid(), 9)",
    "it reports a failure": """
print(json.dumps({"event": "failed", "text": "No disk."}))
sys.exit(1)
""",
}


@pytest.mark.parametrize("does", FAILURES.values(), ids=FAILURES)
def test_a_failing_hook(world: World, tmp_path: Path, does: str) -> None:
    project = world.fresh(tmp_path / "project")
    result = with_hook(project, does)
    assert result.code == 1
    assert result.err.count("\nError: ") == 1
    assert leftovers(project) == []
    assert seen(project) == world.before


def test_a_hook_that_fails_after_the_update(world: World, tmp_path: Path) -> None:
    project = world.fresh(tmp_path / "project")
    result = with_hook(project, "sys.exit(3)", phase="project")
    assert "The update is done, but the project's checks could not run" in result.err
    assert leftovers(project) == []
    assert (project / "job/job").exists()


MEANWHILE = "project.parents[3].joinpath({!r}).write_text('mine\\n')"


@pytest.mark.parametrize("path", ["docs/edited.md", "new"])
def test_somebody_works_in_the_project_meanwhile(world: World, tmp_path: Path, path: str) -> None:
    """The hook plays that person."""
    project = world.fresh(tmp_path / "project")
    result = with_hook(project, MEANWHILE.format(path))
    assert result.code == 1
    assert path in result.err
    assert (project / path).read_text() == "mine\n"
    was, now = world.before, seen(project)
    assert now._replace(files={**now.files, path: was.files.get(path, ())}) == was._replace(
        files={**was.files, path: was.files.get(path, ())}
    )


def test_somebody_works_elsewhere_in_the_project_meanwhile(world: World, tmp_path: Path) -> None:
    project = world.fresh(tmp_path / "project")
    result = with_hook(project, MEANWHILE.format("data/own é.csv"))
    assert result.code == 0, result.err
    assert (project / "data/own é.csv").read_text() == "mine\n"


@pytest.mark.parametrize("path", ["docs/edited.md", "new/deep/ä.txt", "job"])
def test_an_edit_at_the_last_moment(world: World, frozen: Frozen, path: str) -> None:
    """After all checks, before the first file is moved."""
    frozen.restore()
    here = frozen.project / path
    here.parent.mkdir(parents=True, exist_ok=True)
    here.write_text("mine\n")
    assert run(frozen.command, frozen.project) == 1
    assert here.read_text() == "mine\n"
    if path in world.before.files:
        here.write_bytes(world.before.files[path][1])
        assert not world.judge_mended(frozen.project)
    else:
        assert mend(frozen.project) == []
        assert leftovers(frozen.project) == ["?? new/"]


def with_hook(project: Path, does: str, phase: str = "commit") -> Result:
    options = ("update", project, "--defaults", "--hooks")
    return dayone(*options, HOOK_DOES=does, HOOK_PHASE=phase)


def test_another_git_is_at_work(world: World, frozen: Frozen) -> None:
    frozen.restore()
    lock = frozen.project / ".git/index.lock"
    lock.write_text("of another git")
    assert run(frozen.command, frozen.project) == 1
    assert lock.read_text() == "of another git"
    lock.unlink()
    assert not world.judge_mended(frozen.project)


def test_only_one_dayone_at_a_time(world: World, tmp_path: Path) -> None:
    project = world.fresh(tmp_path / "project")
    waiting = "import time; (project / '.git').exists(); time.sleep(3)"
    process = start([*COMMAND, "update", str(project), "--defaults", "--hooks"],
                    HOOK_DOES=waiting, HOOK_PHASE="commit")  # fmt: skip
    wait_for(project / ".git/dayone/update/new", process)
    second = dayone("update", project, "--defaults", "--no-hooks")
    assert (second.code, "Another dayone is at work" in second.err) == (1, True)
    assert end(process, project)[0] == 0
    assert world.judge_mended(project)
