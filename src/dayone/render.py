"""Copier, in this process: ask what is still open, then write a new folder."""

import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dayone.errors import DayoneError, UsageError
from dayone.fast_copier import faster
from dayone.project import record
from dayone.template import Template


def render(template: Template, dest: Path, data: dict[str, Any], *, defaults: bool) -> None:
    """Render a template into a new folder; open questions are asked on the terminal."""
    from copier import Settings, run_copy

    with faster(), _as_committed(), _one_message(template), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Copier's advice on clones is for its own users
        run_copy(
            str(template.repository),
            dest,
            data=data,
            vcs_ref=template.commit,
            defaults=defaults,
            quiet=True,
            settings=Settings(),  # a person's Copier settings could override derived values
        )
    _record(dest, template)


def render_again(
    template: Template, project: Path, changes: dict[str, Any], *, defaults: bool
) -> None:
    """Render into a folder that holds the answers of a project; asks only what is not answered."""
    from copier import Settings, run_recopy

    record(project, "_src_path", str(template.repository))
    with faster(), _as_committed(), _one_message(template), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run_recopy(
            project,
            data=changes,
            vcs_ref=template.commit,
            defaults=defaults,
            skip_answered=True,
            overwrite=True,
            quiet=True,
            settings=Settings(),
        )
    _record(project, template)


def _record(project: Path, template: Template) -> None:
    """Where the template is for others, and its release, where a floating tag is beside it."""
    record(project, "_src_path", template.recorded)
    if template.release:
        record(project, "_commit", template.release)


@contextmanager
def _as_committed() -> Iterator[None]:
    """The template's bytes, whatever a person's git makes of line ends."""
    from plumbum import local  # Copier starts git with this copy of the environment

    count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
    wanted = {"core.autocrlf": "false", "core.eol": "lf", "core.attributesFile": os.devnull}
    added = {"GIT_CONFIG_COUNT": str(count + len(wanted))}
    for number, (key, value) in enumerate(wanted.items(), count):
        added |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    with patch.dict(os.environ, added), local.env(**added):
        yield


@contextmanager
def _one_message(template: Template) -> Iterator[None]:
    """Turn each kind of error that Copier raises into one message of ours."""
    from copier.errors import (
        CopierAnswersInterrupt,
        CopierError,
        InteractiveSessionError,
        UnsafeTemplateError,
    )
    from jinja2 import TemplateError
    from plumbum import ProcessExecutionError

    try:
        yield
    except CopierAnswersInterrupt as error:
        raise KeyboardInterrupt from error
    except InteractiveSessionError as error:
        raise UsageError(
            "There are open questions, and no terminal to ask them on. "
            "Answer them with --data or --data-file, or take the defaults with --defaults."
        ) from error
    except UnsafeTemplateError as error:
        raise DayoneError(
            f"The template {template.recorded} wants to run code while it renders, "
            f"which dayone does not allow: {error}"
        ) from error
    except ProcessExecutionError as error:
        raise DayoneError(f"git failed on {template.recorded}: {error.stderr.strip()}") from error
    except TemplateError as error:
        raise DayoneError(f"The template {template.recorded} is broken: {error}") from error
    except (CopierError, ValueError, TypeError) as error:
        answer = _bad_answer(str(error))
        if answer:
            raise UsageError(answer) from error
        raise DayoneError(
            f"The template {template.recorded} cannot be rendered: {error}"
        ) from error


def _bad_answer(message: str) -> str | None:
    """Copier's message on an answer that does not fit, with the question's name in front."""
    required = re.fullmatch(r'Question "(\w+)" is required', message)
    if required:
        return f"{required[1]} has no default. Answer it: -d {required[1]}=VALUE"
    match = re.match(
        r"(?:Validation error|Invalid choice) for (?:question )?'(\w+)': (.*)", message, re.S
    )
    return f"{match[1]}: {match[2].strip()}" if match else None
