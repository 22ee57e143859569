"""An evolution in words: for the terminal, for JSON, and for the message of its commit."""

import re
from typing import Any

from rich.text import Text

from dayone.evolve import AFTER_UPDATE, Evolution
from dayone.merge import Change
from dayone.screen import Screen

_MARKS = {"added": "+", "changed": "~", "removed": "-", "renamed": ">"}
_STYLES = {"added": "green", "changed": "", "removed": "red", "renamed": "cyan"}


def as_dict(evolution: Evolution) -> dict[str, Any]:
    """Everything a machine wants to know about a plan or an update."""
    return {
        "project": str(evolution.project.folder),
        "template": evolution.source.name,
        "from": evolution.project.version,
        "to": evolution.version,
        "changed_answers": {
            name: {"from": before, "to": after}
            for name, (before, after) in evolution.changed_answers.items()
        },
        "new_questions": evolution.new_questions,
        "lost_answers": evolution.lost_answers,
        "changes": [vars(change) for change in evolution.changes],
        "at_risk": [vars(risk) for risk in evolution.at_risk],
        "conflicts": [vars(conflict) for conflict in evolution.conflicts],
        "deleted": evolution.deleted,
        "kept": evolution.kept,
        "migrations": [migration.name for migration in evolution.migrations],
        "hooks": hooks(evolution),
    }


def show(evolution: Evolution, screen: Screen, *, hooks_wanted: bool = True) -> None:
    """A plan on the terminal."""
    out = screen.out
    out.print(Text(f"{evolution.project.folder.name}: {_versions(evolution)}", style="bold"))
    for line in answer_lines(evolution):
        out.print(Text(f"  {line}"))
    for change in evolution.changes:
        out.print(Text(f"  {_mark(change)} {describe(change)}", style=_STYLES[change.kind]))
    _section(
        screen, "Edits at risk", [f"{r.path}: {r.why} → {r.outcome}" for r in evolution.at_risk]
    )
    _section(screen, "You deleted, so it stays away", evolution.deleted)
    _section(screen, "Yours, kept, though the template starts with another now", evolution.kept)
    if hooks_wanted:
        _section(screen, "Runs the template's", would_run(evolution))
    if evolution.nothing_to_do:
        out.print("  Nothing to do.")


def summary(evolution: Evolution) -> str:
    """The body of the update's commit."""
    return "\n".join(
        [
            f"{_versions(evolution)} of {evolution.source.name}",
            "",
            *answer_lines(evolution),
            *[f"{_mark(change)} {describe(change)}" for change in evolution.changes],
            *[f"! {risk.path}: {risk.why} → {risk.outcome}" for risk in evolution.at_risk],
            *[f"deleted here, stays away: {path}" for path in evolution.deleted],
            *[f"yours, kept: {path}" for path in evolution.kept],
            *[f"migration: {migration.name}" for migration in evolution.migrations],
        ]
    )


def as_markdown(evolution: Evolution) -> str:
    """A plan as the text of a change on a forge."""
    parts = [f"**{_versions(evolution)}** of {_code(evolution.source.name)}"]
    if evolution.nothing_to_do:
        return f"{parts[0]}\n\nNothing to do.\n"
    sections = {
        "Answers": [_plain(line) for line in answer_lines(evolution)],
        "Conflicts": [f"{_code(one.path)}: {_plain(one.why)}" for one in evolution.conflicts],
        "Edits at risk": [
            f"{_code(risk.path)}: {_plain(risk.why)} → {_plain(risk.outcome)}"
            for risk in evolution.at_risk
        ],
        "Files": [f"{change.kind}: {_described(change)}" for change in evolution.changes],
        "Deleted here, so they stay away": [_code(path) for path in evolution.deleted],
        "Yours and kept, though the template starts with others now": [
            _code(path) for path in evolution.kept
        ],
        "Migrations that run": [_code(one.name) for one in evolution.migrations],
    }
    for title, lines in sections.items():
        if lines:
            parts += [f"### {title}", "\n".join(f"- {line}" for line in lines)]
    return "\n\n".join(parts) + "\n"


def _described(change: Change) -> str:
    moved = f"{_code(change.before)} → " if change.before else ""
    yours = ", which you changed" if change.edited else ""
    return f"{moved}{_code(change.path)} ({change.owner}){yours}"


def _code(text: str) -> str:
    """Text that Markdown shows as it is, in the letters of code."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{text}{fence}"


def _plain(text: str) -> str:
    return re.sub(r"([\\`*_<>\[\]#|])", r"\\\1", text)


def would_run(evolution: Evolution) -> list[str]:
    """The template's code that an update runs, in its order."""
    if evolution.nothing_to_do or evolution.conflicts:
        return []
    return [*[migration.name for migration in evolution.migrations], *hooks(evolution)]


def hooks(evolution: Evolution) -> list[str]:
    return [path for path in (AFTER_UPDATE,) if evolution.new.read(path) is not None]


def answer_lines(evolution: Evolution) -> list[str]:
    lines = []
    if evolution.source.name != evolution.project.source:
        lines.append(f"template: {evolution.project.source} → {evolution.source.name}")
    for name, (before, after) in evolution.changed_answers.items():
        if name in evolution.new_questions:
            lines.append(f"{name}: {_words(after)} (a new question)")
        elif after is None:
            lines.append(f"{name}: not asked any more, was {_words(before)}")
        else:
            lost = name in evolution.lost_answers
            why = f" ({evolution.version} does not take the old answer)" if lost else ""
            lines.append(f"{name}: {_words(before)} → {_words(after)}{why}")
    return lines


def describe(change: Change) -> str:
    moved = f"{change.before} → " if change.before else ""
    yours = " (you changed it)" if change.edited else ""
    return f"{moved}{change.path}  [{change.owner}]{yours}"


def _mark(change: Change) -> str:
    return _MARKS[change.kind]


def _versions(evolution: Evolution) -> str:
    if evolution.old.commit == evolution.new.commit:
        return f"{evolution.version}, as it is"
    return f"{evolution.project.version} → {evolution.version}"


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _section(screen: Screen, title: str, lines: list[str]) -> None:
    if lines:
        screen.out.print(Text(f"\n{title}:", style="bold"))
        for line in lines:
            screen.out.print(Text(f"  {line}"))
