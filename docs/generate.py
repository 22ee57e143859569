"""The reference pages, made from the code and the template whenever the site is built.

MkDocs loads this file as a hook. Nothing is written to disk, so a page cannot lag behind what it
describes; `python docs/generate.py` prints all pages.
"""

import ast
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment

from dayone.cli import INTERRUPTED
from dayone.errors import DayoneError, UsageError
from dayone.ownership import Ownership, matches

# MkDocs loads a hook by its path.
sys.path.insert(0, str(Path(__file__).parent))

from emitted import (
    ASKED_WITH,
    ORGANISATION,
    OTHER_TEXT,
    ROOT,
    Answers,
    Project,
    changed,
    choices,
    joined,
    listed,
    needs,
    others,
    renderer,
    shown,
)

PROVED = ROOT / "docs/explanation/ci-proved.json"
FORGES = {"github": "GitHub", "gitlab": "GitLab", "azure_devops": "Azure DevOps"}


def on_files(files: Any, config: Any) -> Any:
    """Add the pages to the site."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, f"reference/{name}", content=text))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Put the table of what was proved in its place."""
    return markdown.replace("<!-- proved -->", proved())


def proved() -> str:
    """The jobs of each forge, and how far the tests came with them."""
    record = json.loads(PROVED.read_text(encoding="utf-8"))
    jobs = {job: None for known in record.values() for job in known}
    rows = [[f"`{job}`", *(record.get(forge, {}).get(job, "") for forge in FORGES)] for job in jobs]
    return "\n".join(table(["Job", *FORGES.values()], rows))


def pages() -> dict[str, str]:
    settings = yaml.safe_load((ROOT / "copier.yml").read_text(encoding="utf-8"))
    questions = {
        name: question
        for name, question in settings.items()
        if not name.startswith("_")
        and question.get("when") is not False
        and question.get("ask") is not False
    }
    with tempfile.TemporaryDirectory(prefix="dayone-docs-") as folder:
        render = renderer(Path(folder))
        return {
            "command-line.md": command_line(),
            "questions.md": questions_page(questions, render),
            "answers.md": answers_page(questions, render),
            "files.md": files_page(questions, settings["_ownership"], render),
            "ownership.md": ownership_page(settings),
        }


# The command line --------------------------------------------------------------------------------


def command_line() -> str:
    """What Typer makes of its own help, and the exit codes."""
    command = [sys.executable, "-m", "typer", "dayone.cli", "utils", "docs", "--name", "dayone"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    codes = {
        0: "Done, or nothing to report.",
        DayoneError.exit_code: "An error: one message that names what is wrong and the way out.",
        UsageError.exit_code: "Wrong usage: an option or an answer that cannot work.",
        3: "Findings that a person must look at: conflicts, drift, a model that the gate refuses.",
        INTERRUPTED: "Interrupted with Ctrl-C.",
    }
    return "\n".join(
        [
            result.stdout.replace("# `dayone`", "# Command line", 1).rstrip(),
            "\n## Exit codes\n",
            "The same for `dayone` and for the command of an emitted project.\n",
            *table(["Code", "Meaning"], [[f"`{code}`", text] for code, text in codes.items()]),
            "\nWith `--run`, the exit code is that of the loop. A project that was written stays",
            "when a later step fails, and the message says what is left to run. A bug shows as one",
            "line too; `DAYONE_TRACEBACK=1` in the environment shows where it is.",
        ]
    )


# The questions -----------------------------------------------------------------------------------


def questions_page(questions: dict[str, Any], render: Callable[[Answers], Project]) -> str:
    lines = [
        "# Questions",
        "",
        "Every question has a default, and every answer can be changed later with `dayone update`",
        "or `copier update`. Answers are given by prompt, by `--data` or by `--data-file`, to",
        "`dayone new` and to Copier alike. What an answer changes was found by rendering the",
        "template with it and comparing the result with that of the defaults.",
    ]
    for name, question in questions.items():
        lines += ["", f"## {name}", "", *paragraphs(question["help"]), ""]
        lines += [f"Kind: {kind(question)}. Default: {default(name, question)}."]
        if "choices" in question:
            rows = [[f"`{value}`", label] for label, value in choices(question)]
            lines += ["", *table(["Choice", "Meaning"], rows)]
        lines += ["", "What it changes:", ""]
        lines += [f"- {difference}" for difference in differences(name, question, render)]
    return "\n".join(lines)


def kind(question: dict[str, Any]) -> str:
    if "choices" not in question:
        return "yes or no" if question["type"] == "bool" else "text"
    return "one choice or more" if question.get("multiselect") else "one choice"


def default(name: str, question: dict[str, Any]) -> str:
    if name == "project_name":
        return "the name of the folder"
    value = question["default"]
    if value in ("", False):
        return "no" if value is False else "empty"
    return ", ".join(f"`{one}`" for one in value) if isinstance(value, list) else f"`{value}`"


def differences(
    name: str, question: dict[str, Any], render: Callable[[Answers], Project]
) -> Iterable[str]:
    """What each other answer makes of the project with the defaults."""
    start = render(ASKED_WITH.get(name, {}))
    if "choices" not in question:
        also = "Package and command are named after it. " if name == "project_name" else ""
        other = render(ASKED_WITH.get(name, {}) | {name: OTHER_TEXT[name]})
        files = [*changed(start, other), *(other.keys() - start.keys())]
        asks = f"asks for {', '.join(f'`{one}`' for one in ORGANISATION)}"
        yield f"{also}It stands in {listed(files)}." if files else f"It {asks}."
        return
    for value, answers in others(name, question):
        other = render(answers)
        parts = [f"changes {listed(changed(start, other))}"]
        if gone := start.keys() - other.keys():
            parts.append(f"leaves out {listed(joined(gone, start))}")
        if new := other.keys() - start.keys():
            parts.append(f"adds {listed(joined(new, other))}")
        yield f"{value} {'; '.join(parts)}."


# What each answer emits ---------------------------------------------------------------------------


def answers_page(questions: dict[str, Any], render: Callable[[Answers], Project]) -> str:
    lines = [
        "# What each answer emits",
        "",
        "Found by rendering the template with each answer and comparing the result with that of",
        "the defaults: which files come and go, and which packages are installed or are not.",
        "What changes inside files that are there with both is in [Questions](questions.md).",
    ]
    for name, question in questions.items():
        if "choices" not in question:
            continue
        start = render(ASKED_WITH.get(name, {}))
        rows = []
        for called, answers in others(name, question):
            other = render(answers)
            files = signed(joined(other.keys() - start.keys(), other), "+")
            files += signed(joined(start.keys() - other.keys(), start), "-")
            packages = signed(sorted(needs(other) - needs(start)), "+")
            packages += signed(sorted(needs(start) - needs(other)), "-")
            rows.append([called, "<br>".join(files) or "the same", "<br>".join(packages)])
        usual = default(name, question)
        also = "".join(f", with {key} `{value}`" for key, value in ASKED_WITH.get(name, {}).items())
        lines += ["", f"## {name}", "", f"Beside the default, {usual}{also}:", ""]
        lines += table(["Answer", "Files", "Packages"], rows)
    return "\n".join(lines)


def signed(names: Iterable[str], sign: str) -> list[str]:
    return [f"{sign} `{shown(name)}`" for name in names]


# The emitted files and their owners --------------------------------------------------------------


def files_page(
    questions: dict[str, Any],
    owners: dict[str, list[str]],
    render: Callable[[Answers], Project],
) -> str:
    usual = render({})
    projects = {
        (name, called): render(answers)
        for name, question in questions.items()
        if "choices" in question
        for called, answers in others(name, question)
    }
    everything = {path: text for project in projects.values() for path, text in project.items()}
    everything |= usual
    documented: dict[str, str] = {}
    for project in (*projects.values(), usual):
        documented |= file_table(project["docs/files.md"].decode())
    ownership = Ownership(owners)
    size = sum(map(len, usual.values()))
    lines = [
        "# Emitted files",
        "",
        f"With every default, a project has {len(usual)} files, {size / 1024:,.0f} KiB. The others",
        "here come with the answers that are named.",
        "`<package>` is the name of the project as a Python package.",
    ]
    for folder in sorted({path.rpartition("/")[0] for path in everything}):
        lines += ["", f"## `{shown(folder)}/`" if folder else "## Top", ""]
        rows = []
        for path in sorted(everything):
            if path.rpartition("/")[0] == folder:
                what = purpose(path, everything[path], documented)
                note = f"{what} {emitted_when(path, path in usual, projects)}".strip()
                name = path.rpartition("/")[2]
                rows.append([f"`{name}`", ownership.owner_of(path) or "", note])
        lines += table(["File", "Owner", "What it is"], rows)
    return "\n".join(lines)


def emitted_when(path: str, usual: bool, projects: dict[tuple[str, str], Project]) -> str:
    """Which single answers bring a file, or take one away that the defaults bring."""
    found: dict[str, list[str]] = {}
    for (name, called), project in projects.items():
        if (path in project) != usual and name not in ("public_cloud", "warehouse"):
            found.setdefault(name, []).append(called)
    if not found:
        return ""
    said = "; ".join(f"{name} {', '.join(values)}" for name, values in found.items())
    return f"Left out with {said}." if usual else f"Only with {said}."


def file_table(text: str) -> dict[str, str]:
    """What docs/files.md of the project says of each path."""
    said = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            for path in cells[0].split(","):
                said[path.strip().strip("`")] = cells[2]
    return said


def purpose(path: str, content: bytes, documented: dict[str, str]) -> str:
    """The first line of a module; of other files, what the project's own table says."""
    if path.endswith(".py") and (text := ast.get_docstring(ast.parse(content))):
        return text.splitlines()[0]
    if path.endswith(".j2"):
        return f"The Jinja template of a `{path.rpartition('/')[2].removesuffix('.j2')}`."
    for pattern in sorted(documented, key=len, reverse=True):
        if matches(pattern, path):
            text = documented[pattern]
            return f"{text[0].upper()}{text[1:]}."
    raise SystemExit(f"docs/files.md of the template says nothing about {path}")


def ownership_page(settings: dict[str, Any]) -> str:
    ownership = Ownership(settings["_ownership"])
    seeds = excluded_on_update(settings["_exclude"])
    rows = []
    for pattern, owner in sorted(ownership.rules):
        path = pattern.strip("/").replace("*", "<package>")
        ours = [seed for seed in seeds if deciding(ownership, seed) == pattern]
        rows.append([f"`{path}`", owner, at_update(pattern, ours, settings["_skip_if_exists"])])
    return "\n".join(
        [
            "# Who owns which file",
            "",
            "- **template**: comes from the template. It is yours to edit; an update merges your",
            "  edit with what is new, and marks a conflict where both changed the same lines.",
            "- **shared**: you and the template both write in it. Merged in the same way.",
            "- **yours**: written once, for you to change.",
            "",
            "The longest path that covers a file decides. A test fails when an emitted file has no",
            "owner.",
            "",
            *table(["Path", "Owner", "What `copier update` does"], rows),
            "",
            "An answer that leaves files out removes them at the next update, edited or not: see",
            "[Use Copier alone](../how-to/plain-copier.md#change-an-answer).",
        ]
    )


def excluded_on_update(exclude: list[str]) -> list[str]:
    """The paths that an update leaves alone altogether."""
    jinja = Environment(autoescape=False, trim_blocks=True)  # noqa: S701, patterns and no HTML
    updates = [jinja.from_string(row).render(_copier_operation="update") for row in exclude]
    copies = [jinja.from_string(row).render(_copier_operation="copy") for row in exclude]
    return [
        line
        for update, copy in zip(updates, copies, strict=True)
        for line in update.split()
        if line not in copy.split()
    ]


def deciding(ownership: Ownership, path: str) -> str | None:
    """The pattern of the owner of a path."""
    return next((row for row, _ in ownership.rules if matches(row, path.strip("/"))), None)


def at_update(pattern: str, seeds: list[str], skipped: list[str]) -> str:
    """What an update does to a pattern's paths, of which the seeds were written only once."""
    if pattern in seeds:
        return "nothing: edits and deletions stay, and nothing new arrives"
    if seeds:
        return "nothing to what came with the project"
    if pattern in skipped:
        return "nothing while it exists; writes it where it is missing"
    return "merges"


# Helpers -----------------------------------------------------------------------------------------


def paragraphs(text: str) -> list[str]:
    """Each line of a help text as a paragraph: in the terminal they stand below each other."""
    return "\n\n".join(text.splitlines()).splitlines()


def table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines]


if __name__ == "__main__":
    for text in pages().values():
        print(text, end="\n\n")
