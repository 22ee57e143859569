"""A killed update leaves a project exactly as it was, or exactly as it should be.

Most tests kill at a step: before the start of a program, or before a file operation inside the
project; `killers` holds what does it. What is still half done when everything was killed at once
is set right by whatever dayone command comes next.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from dayone.aside import mend
from support.cli import dayone

from .cases import EVERYTHING, SEED
from .killing import (
    KILLED,
    SWITCH,
    Frozen,
    World,
    end,
    kill,
    kill_at_git,
    leftovers,
    new_world,
    run,
    seen,
    start,
    update,
    wait_for,
)

DAYONE = "dayone update"
MEND = (
    "import sys; from pathlib import Path; from dayone.aside import mend; mend(Path(sys.argv[1]))"
)
Record = Callable[[str, object], None]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return new_world(tmp_path_factory.mktemp("kill"))


@pytest.fixture(scope="module")
def frozen(world: World, tmp_path_factory: pytest.TempPathFactory) -> Frozen:
    return Frozen(world, tmp_path_factory.mktemp("frozen"))


def some(numbers: range, count: int) -> list[int]:
    """All numbers in a full run, else a seeded choice."""
    if EVERYTHING or count >= len(numbers):
        return list(numbers)
    return sorted(random.Random(SEED).sample(numbers, count))  # noqa: S311


def test_the_switch_is_killed_at_every_step(
    world: World, frozen: Frozen, record_property: Record
) -> None:
    ends = set()
    for step in range(1, len(frozen.steps) + 1):
        code, steps = frozen.kill(step)
        assert code == KILLED
        ends.add(world.judge_mended(frozen.project, steps[-1]))
    record_property("kills", len(frozen.steps))
    assert ends == {False, True}


def test_edits_made_after_a_kill_are_kept(
    world: World, frozen: Frozen, record_property: Record
) -> None:
    """Somebody adds a line to every file that lies there; each such file is found afterwards."""
    steps = some(range(1, len(frozen.steps) + 1), 15)
    for step in steps:
        _, done = frozen.kill(step)
        edited = edit_all(frozen.project)
        kept = mend(frozen.project)
        found = {path: content for path, (_, content) in seen(frozen.project).files.items()}
        for path, content in edited.items():
            assert content in [found.get(path), *(found[name] for name in kept)], (done[-1], path)
        new = [path for path in found if ".kept" in path and path not in edited]
        assert all(is_kept(path, kept) for path in new), done[-1]
        undo_edits(frozen.project, edited)
        world.judge_mended(frozen.project, done[-1])
    record_property("kills", len(steps))


def is_kept(path: str, kept: list[str]) -> bool:
    return any(path == name or path.startswith(f"{name}/") for name in kept)


def edit_all(project: Path) -> dict[str, bytes]:
    edited = {}
    for path, (_, content) in seen(project).files.items():
        if (project / path).is_file() and not (project / path).is_symlink():
            edited[path] = content + b"a person's line\n"
            (project / path).write_bytes(edited[path])
    edited["job.kept"] = b"kept from another time\n"
    (project / "job.kept").write_bytes(edited["job.kept"])
    return edited


def undo_edits(project: Path, edited: dict[str, bytes]) -> None:
    for kept in list(project.rglob("*.kept*")):
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink(missing_ok=True)
        with suppress(OSError):  # not empty, or gone
            os.removedirs(kept.parent)
    for path in seen(project).files:
        here = project / path
        if path in edited and here.is_file() and here.read_bytes() == edited[path]:
            here.write_bytes(edited[path].removesuffix(b"a person's line\n"))


@pytest.mark.parametrize("edits", [False, True], ids=["untouched", "edited"])
def test_the_recovery_is_killed_as_well(
    world: World, frozen: Frozen, record_property: Record, edits: bool
) -> None:
    """Where all has been moved and nothing decided; in a full run, at other steps as well."""
    decided = frozen.step_of("update-ref")
    kills = 0
    for step in {decided, *(range(1, len(frozen.steps), 4) if EVERYTHING else ())}:
        frozen.kill(step)
        code, steps = recover(frozen.project, 0)
        assert code == 0
        for second in some(range(1, len(steps) + 1), 20):
            frozen.kill(step)
            edited = edit_all(frozen.project) if edits else {}
            code, steps = recover(frozen.project, second)
            kills += 1 + (code == KILLED)
            mend(frozen.project)
            found = [content for _, content in seen(frozen.project).files.values()]
            assert all(content in found for content in edited.values()), steps[-1]
            if edits:
                undo_edits(frozen.project, edited)
            world.judge_mended(frozen.project, steps[-1])
    record_property("kills", kills)


def recover(project: Path, step: int) -> tuple[int, list[str]]:
    return kill([sys.executable, "-c", MEND, str(project)], project, program="mend", step=step)


def test_dayone_is_killed_at_its_steps(
    world: World, tmp_path: Path, record_property: Record
) -> None:
    """The switch that it has started goes on, so that nothing has to be set right in the tree."""
    project = world.fresh(tmp_path / "project")
    code, steps = kill(update(project), project, program=DAYONE)
    assert (code, world.judge_mended(project)) == (0, True)
    lock = next(number for number, step in enumerate(steps, 1) if "dayone/lock" in step)
    chosen = [*some(range(1, lock), 3), *some(range(lock, len(steps) + 1), 9)]
    for step in chosen:
        project = world.fresh(tmp_path / "project")
        code, done = kill(update(project), project, program=DAYONE, step=step)
        assert code == KILLED
        world.judge(project, done[-1])
        world.judge_mended(project, done[-1])
    record_property("kills", len(chosen))


def test_the_switch_is_killed_and_dayone_is_not(
    world: World, frozen: Frozen, tmp_path: Path, record_property: Record
) -> None:
    """dayone itself goes back, or forward, and its exit code says which."""
    chosen = some(range(1, len(frozen.steps) + 1), 6)
    for step in chosen:
        project = world.fresh(tmp_path / "project")
        code, done = kill(update(project), project, program=SWITCH, step=step)
        assert leftovers(project) == [], done[-1]
        assert world.judge(project, done[-1]) == (code == 0), done[-1]
    record_property("kills", len(chosen))


def test_both_are_killed_around_git_commands(
    world: World, tmp_path: Path, record_property: Record
) -> None:
    """Killed when git has been started, which goes on alone, and when git has ended."""
    project = world.fresh(tmp_path / "project")
    code, commands = kill_at_git(update(project), project, "never")
    assert (code, world.judge_mended(project)) == (0, True)
    chosen = some(range(2, 2 * len(commands) + 2), 10)
    for number in chosen:
        when = f"{number // 2} {'after' if number % 2 else 'before'}"
        project = world.fresh(tmp_path / "project")
        code, done = kill_at_git(update(project), project, when)
        assert code == KILLED or done[-1] != commands[number // 2 - 1]
        world.judge_mended(project, done[-1])
    record_property("kills", len(chosen))


def test_killed_at_random_moments(world: World, tmp_path: Path, record_property: Record) -> None:
    chance = random.Random(SEED)  # noqa: S311
    wanted = 100 if EVERYTHING else 20
    kills = 0
    while kills < wanted:
        project = world.fresh(tmp_path / f"project-{kills}")
        process = start(update(project))
        whole_machine = strike(process, project, chance)
        code, _ = end(process, project)
        if not whole_machine:
            world.judge(project)
        done = world.judge_mended(project)
        assert done or code
        kills += code == KILLED
    record_property("kills", kills)


def strike(process: subprocess.Popen[bytes], project: Path, chance: random.Random) -> bool:
    """Kill dayone alone, with all it started, or with the switch as a crash of the machine does.

    Half of the moments lie where the project is touched, as that is a short time.
    """
    stage = project / ".git/dayone/update"
    if chance.random() < 0.5:
        wait_for(stage / chance.choice(["new", "journal.json"]), process)
        time.sleep(chance.uniform(0, 0.25))
    else:
        time.sleep(chance.uniform(0, 1.5))
    target = chance.choice(["dayone", "group", "machine"])
    with suppress(ProcessLookupError):
        if target == "dayone":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    if target == "machine":
        kill_switch(stage)
    return target == "machine"


def kill_switch(stage: Path) -> None:
    """The switch leads a process group, in which is the git that it has started."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes().split(b"\0")
                if os.fsencode(stage) in command and SWITCH.encode() in command:
                    os.killpg(int(entry.name), signal.SIGKILL)


def test_a_git_that_was_killed_leaves_no_lock(
    world: World, frozen: Frozen, record_property: Record
) -> None:
    """git runs this hook when it holds its locks on the branch, and again when it has moved it."""
    for state in ("prepared", "committed"):
        frozen.kill(1)
        hook = frozen.project / ".git/hooks/reference-transaction"
        hook.parent.mkdir()
        hook.write_text(f'#!/bin/sh\n[ "$1" != {state} ] || kill -9 0\n')
        hook.chmod(0o755)
        assert run(frozen.command, frozen.project) == KILLED
        locked = (frozen.project / ".git/HEAD.lock").exists()
        hook.unlink()
        assert world.judge_mended(frozen.project) == (state == "committed")
        assert locked == (state == "prepared")
    record_property("kills", 2)


def test_somebody_removes_the_lock_that_is_left(world: World, frozen: Frozen) -> None:
    """As git itself advises."""
    for step in (frozen.step_of("update-ref"), frozen.step_of("update-ref") + 1):
        frozen.kill(step)
        (frozen.project / ".git/index.lock").unlink()
        assert world.judge_mended(frozen.project) == (step != frozen.step_of("update-ref"))


def test_the_switch_outlives_its_dayone(world: World, tmp_path: Path) -> None:
    """Half way through, git's hook kills dayone with its whole process group."""
    project = world.fresh(tmp_path / "project")
    hook = project / ".git/hooks/reference-transaction"
    hook.parent.mkdir()
    hook.write_text('#!/bin/sh\n[ "$1" != prepared ] || kill -9 -$(cat "$GROUP")\n')
    process = start(update(project), GROUP=tmp_path / "group")
    (tmp_path / "group").write_text(str(process.pid))
    wait_for(project / ".git/dayone/update/journal.json", process)
    hook.chmod(0o755)
    assert end(process, project)[0] == KILLED
    assert world.judge(project)
    assert world.judge_mended(project)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_switch_does_not_listen(world: World, frozen: Frozen, number: int) -> None:
    frozen.restore()
    code, steps = kill(frozen.command, frozen.project, program=SWITCH, step=9, number=number)
    assert (code, len(steps)) == (0, len(frozen.steps))
    assert world.judge_mended(frozen.project)


def test_the_next_commands_work(world: World, frozen: Frozen, tmp_path: Path) -> None:
    """Through the command line: plan sets it right, and then update brings it to its end."""
    moved = frozen.step_of("update-ref")
    for step in (3, moved):
        frozen.kill(step)
        planned = dayone("plan", frozen.project)
        assert planned.code == 0
        assert "v1.0.0 → v2.0.0" in planned.out
        assert leftovers(frozen.project) == []
        assert seen(frozen.project) == world.before
        assert run(update(frozen.project), frozen.project) == 0
        assert world.judge_mended(frozen.project)
    frozen.kill(moved + 1)
    assert "Nothing to do" in dayone("plan", frozen.project).out
    assert world.judge_mended(frozen.project)


# Ctrl-C -------------------------------------------------------------------------------------------


def test_ctrl_c_at_its_steps(world: World, tmp_path: Path) -> None:
    project = world.fresh(tmp_path / "project")
    _, steps = kill(update(project), project, program=DAYONE)
    chosen = some(range(1, len(steps) + 1), 8)
    for step in chosen:
        project = world.fresh(tmp_path / "project")
        code, done = kill(update(project), project, program=DAYONE, step=step, number=signal.SIGINT)
        assert code in {0, 130}, done
        assert world.judge(project, done[step - 1]) or code == 130
        world.judge_mended(project, done[step - 1])


def test_ctrl_c_while_it_is_put_in_place(world: World, tmp_path: Path) -> None:
    """Comes too late, and is not heard."""
    project = world.fresh(tmp_path / "project")
    code, _ = kill(update(project), project, program=DAYONE, step=SWITCH, number=signal.SIGINT)
    assert (code, leftovers(project)) == (0, [])
    assert world.judge(project)


def test_ctrl_c_at_random_moments(world: World, tmp_path: Path) -> None:
    """As a terminal sends it: to dayone and to all that it has started."""
    chance = random.Random(SEED)  # noqa: S311
    count = 25 if EVERYTHING else 5
    for number in range(count):
        project = world.fresh(tmp_path / f"project-{number}")
        process = start(update(project))
        if number % 2:
            wait_for(project / ".git/dayone/update/new", process)
        else:
            process.stderr.peek()  # it has begun to speak
        time.sleep(chance.uniform(0, 0.4))
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        code, said = end(process, project)
        assert code in {0, 130, -signal.SIGINT}, said
        assert world.judge(project) or code
        world.judge_mended(project)
