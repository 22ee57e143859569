"""What the template emits for some answers, and how that differs from the defaults."""

import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from copier import Settings, run_copy

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE_PATHS = ("copier.yml", "includes", "hooks", "template")
NAME = "My PoC"

# What a question is answered with to see what it changes: text that the defaults do not hold.
OTHER_TEXT: dict[str, Any] = {
    "project_name": "Late flights",
    "description": "Says at departure which flights will arrive late.",
    "owner": "Operations analytics",
    "aws_region": "eu-north-1",
    "gcp_region": "europe-north1",
    "azure_location": "northeurope",
    "data_owners": "@acme/data",
    "model_owners": "@acme/models",
    "platform_owners": "@acme/platform",
    "security_owners": "@acme/security",
    "organisation": True,
    "package_index": "https://packages.example.com/simple",
    "ca_bundle": "/etc/ssl/acme.pem",
    "image_registry": "registry.example.com/mirror",
    "runner_label": "linux-ml",
    "forge_host": "git.example.com",
    "mandatory_tags": "cost-center=4711",
}
OWNERS = ("data_owners", "model_owners", "platform_owners", "security_owners")
ORGANISATION = (
    *("package_index", "ca_bundle", "image_registry", "runner_label", "forge_host"),
    "mandatory_tags",
)
# The other answers without which a question is not asked.
ASKED_WITH: dict[str, dict[str, Any]] = {
    "public_cloud": {"cloud": "hybrid"},
    "aws_region": {"cloud": "aws"},
    "gcp_region": {"cloud": "gcp"},
    "azure_location": {"cloud": "azure"},
    "warehouse": {"data_sources": ["files", "warehouse"]},
    **{name: {"team_size": "large"} for name in OWNERS},
    **{name: {"organisation": True} for name in ORGANISATION},
}

Answers = dict[str, Any]
Project = dict[str, bytes]  # contents by path, as if the project were called NAME


def renderer(folder: Path) -> Callable[[Answers], Project]:
    """A function from answers to the project that they give; equal answers are rendered once."""
    template = folder / "template"
    template.mkdir()
    for name in TEMPLATE_PATHS:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, template / name, ignore=ignore)
        else:
            shutil.copy(source, template)
    known: dict[str, Project] = {}

    def render(answers: Answers) -> Project:
        key = json.dumps(answers, sort_keys=True)
        if key not in known:
            dest = folder / f"project-{len(known)}"
            data = {"project_name": NAME, **answers}
            run_copy(
                *(str(template), dest),
                data=data, defaults=True, quiet=True, settings=Settings(),
            )  # fmt: skip
            known[key] = contents(dest, data["project_name"])
        return known[key]

    return render


def contents(project: Path, name: str) -> Project:
    """Its files, with package and slug those of NAME, so that two names can be compared."""
    found = {}
    for path in project.rglob("*"):
        if path.is_file():
            inside, content = path.relative_to(project).as_posix(), path.read_bytes()
            for separator in "-_":
                own, usual = (text.lower().replace(" ", separator) for text in (name, NAME))
                inside = inside.replace(own, usual)
                content = content.replace(own.encode(), usual.encode())
            found[inside] = content
    return found


def choices(question: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value of each choice."""
    if isinstance(question["choices"], dict):
        return list(question["choices"].items())
    return [
        tuple(choice) if isinstance(choice, list) else (choice, choice)
        for choice in question["choices"]
    ]


def others(name: str, question: dict[str, Any]) -> Iterable[tuple[str, Answers]]:
    """Each choice that is not the default: how it is called, and the answers that make it.

    Of several that the default takes, each alone; one that it does not take is added to it.
    """
    usual = question["default"]
    for _, value in choices(question):
        answer: Any = value
        called = f"`{value}`"
        if question.get("multiselect"):
            answer = [value] if value in usual else [*usual, value]
            called += " alone" if value in usual else ""
        if answer != usual:
            yield called, ASKED_WITH.get(name, {}) | {name: answer}


def changed(start: Project, other: Project) -> list[str]:
    """Files of both that differ, but for the one that keeps every answer."""
    return sorted(
        path
        for path in start.keys() & other.keys() - {".copier-answers.yml"}
        if start[path] != other[path]
    )


def joined(paths: Iterable[str], project: Project) -> list[str]:
    """The paths, with a folder in place of its files where they are all there."""
    wanted = set(paths)
    for folder in {path.rpartition("/")[0] + "/" for path in paths if "/" in path}:
        inside = {path for path in project if path.startswith(folder)}
        if inside <= wanted:
            wanted = wanted - inside | {folder}
    return sorted(wanted)


def needs(project: Project) -> set[str]:
    """The packages of all groups that pyproject.toml names, each with its extras."""
    pyproject = tomllib.loads(project["pyproject.toml"].decode())
    groups = [pyproject["project"]["dependencies"], *pyproject["dependency-groups"].values()]
    entries = [entry for group in groups for entry in group if isinstance(entry, str)]
    return {re.split(r"[<>=!~;]", entry)[0].strip() for entry in entries}


def shown(path: str) -> str:
    return path.replace(NAME.lower().replace(" ", "_"), "<package>")


def listed(paths: Iterable[str]) -> str:
    return ", ".join(f"`{shown(path)}`" for path in paths) or "no file"
