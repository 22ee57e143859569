"""Copier, in this process: ask what is still open, then write a new folder."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dayone.errors import DayoneError, UsageError
from dayone.fast_copier import faster
from dayone.project import record_source
from dayone.template import Template


def render(template: Template, dest: Path, data: dict[str, Any], *, defaults: bool) -> None:
    """Render a template into a new folder; open questions are asked on the terminal."""
    from copier import Settings, run_copy

    with faster(), _one_message(template), warnings.catch_warnings():
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
    record_source(dest, template.recorded)


def render_again(
    template: Template, project: Path, changes: dict[str, Any], *, defaults: bool
) -> None:
    """Render into a folder that holds the answers of a project; asks only what is not answered."""
    from copier import Settings, run_recopy

    record_source(project, str(template.repository))
    with faster(), _one_message(template), warnings.catch_warnings():
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
    record_source(project, template.recorded)


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
    match = re.match(
        r"(?:Validation error|Invalid choice) for (?:question )?'(\w+)': (.*)", message, re.S
    )
    return f"{match[1]}: {match[2].strip()}" if match else None
