"""What a schedule runs: nothing before there is a model; then the command, with its secrets."""

import os
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tools import scheduled


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that would have run, in a folder of a fresh clone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    commands: list[tuple[str, ...]] = []

    def note(command: tuple[str, ...], **_: Any) -> SimpleNamespace:
        commands.append(command)
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(subprocess, "run", note)
    return commands


def serve_a_champion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduled.ModelStore, "champion", lambda store: "a champion")


@pytest.mark.parametrize("task", scheduled.COMMANDS)
def test_before_there_is_a_model_it_says_so_and_passes(
    task: str, ran: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    scheduled.main(task)
    assert ran == []
    assert "use-store" in capsys.readouterr().out


def test_what_the_command_finds_is_how_it_ends(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_a_champion(monkeypatch)
    with pytest.raises(SystemExit) as ended:
        scheduled.main("observe")
    assert ended.value.code == 3
    assert ran == [(scheduled.COMMAND, "observe")]


def test_a_retraining_begins_with_what_landed_last(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_a_champion(monkeypatch)
    scheduled.LANDING.parent.mkdir()
    scheduled.LANDING.touch()
    with pytest.raises(SystemExit):
        scheduled.main("retrain")
    assert ran[0][:2] == ("dvc", "pull")


def test_sources_are_told_their_secrets(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "ORDERS_URL=postgresql://host/db?a=b\n\nTOKEN=x"  # pragma: allowlist secret
    os.environ["SOURCES_ENV"] = lines
    scheduled.main("observe")
    assert os.environ["ORDERS_URL"] == "postgresql://host/db?a=b"
    assert os.environ["TOKEN"] == "x"
    assert "SOURCES_ENV" not in os.environ


def test_a_line_that_sets_nothing_is_named_and_not_shown(ran: list[tuple[str, ...]]) -> None:
    os.environ["SOURCES_ENV"] = "A=1\nhunter2"
    with pytest.raises(SystemExit, match="line 2") as ended:
        scheduled.main("observe")
    assert "hunter2" not in str(ended.value)
