"""Answers that come from the command line and from a file."""

import difflib
from pathlib import Path
from typing import Any

import yaml

from dayone.errors import UsageError
from dayone.migrations import RECORD
from dayone.template import Template


def collect(data: list[str], data_file: Path | None, template: Template) -> dict[str, Any]:
    """One mapping of answers, the command line first, with every key known to the template."""
    answers = {**(read_file(data_file) if data_file else {}), **parse(data)}
    questions = template.questions()
    refuse_unknown(answers, set(questions), template.derived())
    return {
        name: as_list(value) if questions[name].get("multiselect") else value
        for name, value in answers.items()
    }


def parse(data: list[str]) -> dict[str, str]:
    answers = {}
    for item in data:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"--data wants NAME=VALUE, not {item!r}.")
        answers[name] = value
    return answers


def read_file(path: Path) -> dict[str, Any]:
    """A YAML mapping; of another project's answers file, all that somebody answered."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--data-file {path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"--data-file {path} is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise UsageError(
            f"--data-file {path} must hold a mapping of answers, one `name: value` a line."
        )
    return {
        str(name): value
        for name, value in content.items()
        if not str(name).startswith("_") and name != RECORD
    }


def refuse_unknown(answers: dict[str, Any], questions: set[str], derived: set[str]) -> None:
    for name in answers:
        if name in questions:
            continue
        near = difflib.get_close_matches(name, questions, n=1, cutoff=0.4)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(sorted(questions))}."
        if name in derived:
            raise UsageError(f"{name} follows from other answers and cannot be given. {hint}")
        raise UsageError(f"There is no question {name}. {hint}")


def as_list(value: Any) -> list[Any]:
    """A multiselect answer, however it was written: `a`, `a,b`, `[a, b]` or a list."""
    if isinstance(value, str):
        return [part.strip() for part in value.strip().strip("[]").split(",") if part.strip()]
    return list(value) if isinstance(value, list) else [value]
