"""Versions of this very template, made by scripted changes, each a commit with a tag.

    build(folder)   # a git repository with the tags of VERSIONS

The second version is the template as it is in the work tree; the first does not ask yet where the
data comes from and where it lives. Every change asserts that it found what it changes, so that it
fails when the template moves on. A released path is renamed or removed at a major version only, and
a migration brings people's own files along.
"""

import json
import re
from collections.abc import Callable
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from jinja2 import Environment, FileSystemLoader

from dayone.ownership import matches
from support.git import git
from support.rendering import snapshot

from . import additions

PACKAGE = "template/src/{{ package }}"
MIGRATION = "2.0.0_rows_per_tree"
# As Copier has it; no HTML is written.
JINJA = Environment(  # noqa: S701
    extensions=["jinja2_ansible_filters.AnsibleCoreFiltersExtension"],
    trim_blocks=True,
    lstrip_blocks=True,
)
BEFORE_FORGES = ["/.github", "/.secrets.baseline", "/renovate.json"]
# What v2.0.0 renames in a project; a star stands for one name.
RENAMED = {"src/*/plots.py": "src/*/pictures.py", "tools/demo.py": "tools/loop.py"}


class Version(NamedTuple):
    """A release: its tag, what it changes, and what a user's edit may meet in it."""

    tag: str
    change: Callable[[Path], None]
    has: frozenset[str] = frozenset()


class Pair(NamedTuple):
    """An update, from one release to a later one."""

    old: str
    new: str


def before_sources(template: Path) -> None:
    """What the default answers give, by a template that has no questions after the fifth.

    It knows no forge either. Neither these questions nor what is derived from them has a name, as
    in every older version.
    """
    config = template / "copier.yml"
    text = config.read_text(encoding="utf-8")
    asked = _between(text, "\ncloud:\n", "\n# Derived: never asked")
    derived = _between(text, "\nhybrid: {", "\n# Migrations: ")
    values = _defaults(yaml.safe_load(asked + derived), template)
    name = re.compile(rf"\b({'|'.join(values)})\b")
    rows = re.findall(r"  - \|\n    {% if \w+ is defined and .*\n(?:    .*\n)+", text)
    rows = [row for row in rows if name.search(row)]
    for part in (asked, derived, *rows):
        text = text.replace(part, "")
    config.write_text(text, encoding="utf-8")
    left_out = JINJA.from_string("\n".join(rows)).render(values)
    patterns = [line.strip() for line in left_out.splitlines() if line.strip().startswith("/")]
    patterns += BEFORE_FORGES
    for path in (template / "template").rglob("*"):
        if path.is_dir():
            continue
        emitted = path.relative_to(template / "template").as_posix().removesuffix(".jinja")
        if any(matches(pattern, emitted) for pattern in patterns):
            path.unlink()
        elif path.suffix == ".jinja" and name.search(old := path.read_text(encoding="utf-8")):
            known = ", ".join(json.dumps(value) for value in values.values())
            header = f"{{% set {', '.join(values)} = {known} %}}\n"
            path.write_text(header + old, encoding="utf-8")
    _replace(
        template / "template/README.md.jinja",
        "The whole loop, from the table to a prediction, with the time that each step takes:",
        "The whole loop, from the table to a prediction, and how long each step takes:",
    )
    _replace(
        template / "template/noxfile.py.jinja",
        '"""Style, formatting, pipelines, and nothing left over from an update."""',
        '"""Style, formatting, pipelines, and nothing that an update left over."""',
    )


def as_it_is(template: Path) -> None:
    """The template of the work tree."""
    first = git(template, "rev-list", "--max-parents=0", "HEAD")
    git(template, "checkout", "--quiet", first, "--", ".")


def edits_and_additions(template: Path) -> None:
    """Lines of shared and template-owned files; a document and a test are new."""
    _replace(
        template / "template/README.md.jinja",
        "git ignores it: DVC versions what lands.",
        "git ignores it: DVC versions all that lands.",
    )
    _replace(template / "template/pyproject.toml.jinja", '"ruff>=0.8,<1",', '"ruff>=0.9,<1",')
    _replace(
        template / "template/noxfile.py.jinja",
        '"""Static types."""',
        '"""Static types, as the Python of production sees them."""',
    )
    _add(template / "template/docs/glossary.md", additions.GLOSSARY)
    _add(template / "template/tests/test_params.py.jinja", additions.TEST_PARAMS)


def moved_lines(template: Path) -> None:
    """A section of the README and a function stand elsewhere; a few words differ."""
    readme = template / "template/README.md.jinja"
    _move(readme, "## Your own data\n", "## Where things are\n", "## What a person must still do\n")
    _replace(
        readme,
        "You need Python 3.11, 3.12 or 3.13 and git.",
        "You need git, and Python 3.11, 3.12 or 3.13.",
    )
    _move(template / PACKAGE / "columns.py", "def hour(", "def month(", "def weekday(")
    _replace(
        template / "template/noxfile.py.jinja",
        '"""The notebook, in the browser."""',
        '"""The notebook, in a browser on this machine."""',
    )


def question_and_choice(template: Path) -> None:
    """A question that a file and the README depend on, and one more Python."""
    config = template / "copier.yml"
    _replace(config, '["3.12", "3.11", "3.13"]', '["3.12", "3.11", "3.13", "3.14"]')
    _insert_before(config, "# Derived: never asked", additions.QUESTION)
    _insert_before(config, "# Written once, and again only", additions.EXCLUDED)
    _replace(config, "  shared:\n", "  shared:\n    - /CHANGELOG.md\n")
    _add(template / "template/CHANGELOG.md.jinja", additions.CHANGELOG)
    readme = template / "template/README.md.jinja"
    _replace(
        readme,
        "If the folder has none yet, make one before the loop:",
        "Where the folder has none yet, make one before the loop:",
    )
    _insert_before(
        readme,
        "notebooks/           a first look",
        "{% if changelog %}\nCHANGELOG.md         what changed\n{% endif %}\n",
    )
    _replace(
        template / "template/noxfile.py.jinja",
        '"""Tests; what follows `--` goes to pytest."""',
        '"""Tests; all that follows `--` goes to pytest."""',
    )


def renames_and_removals(template: Path) -> None:
    """Two files have other names, two are gone, and a key of params.yaml has another name."""
    files = template / "template"
    git(template, "mv", f"{PACKAGE}/plots.py", f"{PACKAGE}/pictures.py")
    report = template / PACKAGE / "report.py"
    _replace(report, "from . import anchor, plots\n", "from . import anchor, pictures\n")
    observed = template / PACKAGE / "observe/report.py"
    _replace(observed, "from ..plots import", "from ..pictures import")
    _replace(report, "from .plots import Plot\n", "from .pictures import Plot\n")
    _replace(report, "= plots.make(", "= pictures.make(")
    _replace(report, "    plots.write(", "    pictures.write(")
    _replace(report, "drawn = plots.draw(", "drawn = pictures.draw(")
    _replace(
        template / PACKAGE / "pictures.py",
        '"""The plots of an evaluation: ',
        '"""The pictures of an evaluation: ',
    )
    _replace(files / "dvc.yaml.jinja", "/plots.py\n", "/pictures.py\n")
    git(template, "mv", "template/tools/demo.py.jinja", "template/tools/loop.py.jinja")
    _replace(files / "noxfile.py.jinja", '"tools/demo.py"', '"tools/loop.py"')
    _replace(files / "tests/test_demo.py.jinja", '("demo")', '("loop")')
    git(template, "rm", "--quiet", "template/tests/test_notebook.py", "template/docs/glossary.md")
    _replace(
        files / "README.md.jinja",
        "report.html, metrics and plots of the last run",
        "report.html, metrics and pictures of the last run",
    )
    for path in ("params.yaml", "tests/tiny.py.jinja", "src/{{ package }}/params.py"):
        _replace(files / path, "bagging_fraction", "rows_per_tree")
    _replace(files / "src/{{ package }}/fit.py", "model.bagging_fraction", "model.rows_per_tree")
    _add(template / f"hooks/migrations/{MIGRATION}.py", additions.MIGRATION)
    _replace(
        template / "copier.yml",
        "migrations: {type: yaml, default: [],",
        f"migrations: {{type: yaml, default: [{MIGRATION}],",
    )


def defaults_and_seeds(template: Path) -> None:
    """Other defaults, other seeds of files that are yours, and a new one."""
    config = template / "copier.yml"
    _replace(config, '  default: "3.12"\n', '  default: "3.13"\n')
    _replace(config, "  default: Data team\n", "  default: Data and AI team\n")
    _replace(template / "template/params.yaml", "  trees: 300\n", "  trees: 400\n")
    _replace(
        template / "template/docs/roadmap.md.jinja",
        "- [ ] A restore from backup has been rehearsed.",
        "- [ ] A restore from backup is rehearsed twice a year.",
    )
    _add(template / "template/sql/checks.sql", additions.CHECKS)
    _replace(
        template / "template/README.md.jinja",
        "sql/training.sql     how the landed data become the training table",
        "sql/                 how the landed data become the training table, and checks",
    )
    _replace(
        template / "template/noxfile.py.jinja",
        '"""The whole loop, from the source to a prediction, with the time that each step took."""',
        '"""The whole loop, from the source to a prediction, and the time of each step."""',
    )


def module_and_mode(template: Path) -> None:
    """A module with its test, a program that can be run by its path, a line of .gitignore."""
    _add(template / PACKAGE / "summary.py", additions.SUMMARY)
    _add(template / "template/tests/test_summary.py.jinja", additions.TEST_SUMMARY)
    loop = template / "template/tools/loop.py.jinja"
    _replace(
        loop, '"""Run the whole loop once', '#!/usr/bin/env python\n"""Run the whole loop once'
    )
    loop.chmod(0o755)
    _replace(template / "template/.gitignore.jinja", "\n.env\n", "\n.coverage\n.env\n")
    _replace(
        template / "template/README.md.jinja",
        "After `. .venv/bin/activate`:",
        "With `. .venv/bin/activate` done:",
    )
    _replace(
        template / "template/noxfile.py.jinja",
        '"""The tasks of the project: ',
        '"""The tasks of this project: ',
    )


def sources_and_stores(template: Path) -> None:
    """Modules of sources and stores that not every project has, and a setting of DVC."""
    _replace(
        template / PACKAGE / "sources/sql.py",
        '"""Tables of Postgres, MySQL and MariaDB.\n',
        '"""Tables of Postgres, of MySQL and of MariaDB.\n',
    )
    _replace(
        template / PACKAGE / "sources/rest.py",
        '"""Rows of a JSON API over HTTP ',
        '"""Rows of an API that answers in JSON ',
    )
    _replace(
        template / PACKAGE / "blobs/s3.py",
        '"""Buckets of S3, and of what speaks its language, such as MinIO."""',
        '"""Buckets of S3, and of what speaks its language, as MinIO does."""',
    )
    _replace(
        template / "template/.dvc/config.jinja",
        "    check_update = false\n",
        "    check_update = false\n    hardlink_lock = true\n",
    )
    _replace(
        template / "template/README.md.jinja",
        "Style, types and tests:",
        "Style, types and tests, as they run before each commit:",
    )
    _replace(
        template / "template/noxfile.py.jinja",
        '"""Static types, as the Python of production sees them."""',
        '"""Static types, as the Python that runs in production sees them."""',
    )


VERSIONS = [
    Version("v0.9.0", before_sources),
    Version("v1.0.0", as_it_is),
    Version("v1.1.0", edits_and_additions, frozenset({"pyproject", "additions"})),
    Version("v1.1.1", moved_lines, frozenset({"moves"})),
    Version("v1.2.0", question_and_choice, frozenset({"additions"})),
    Version("v2.0.0", renames_and_removals, frozenset({"renames", "removals"})),
    Version("v2.1.0", defaults_and_seeds),
    Version("v2.2.0", module_and_mode, frozenset({"additions"})),
    Version("v2.3.0", sources_and_stores),
]
TAGS = [version.tag for version in VERSIONS]
PAIRS = [Pair(old, new) for old, new in combinations(TAGS, 2)]


def meets(pair: Pair) -> frozenset[str]:
    """What the versions after the old one, up to the new one, have."""
    between = VERSIONS[TAGS.index(pair.old) + 1 : TAGS.index(pair.new) + 1]
    return frozenset().union(*(version.has for version in between))


def build(folder: Path) -> Path:
    """All versions in a new repository; the hashes depend on nothing but the content."""
    first = snapshot()
    git(folder.parent, "clone", "--quiet", str(first.repository), folder.name)
    git(folder, "remote", "remove", "origin")
    for number, version in enumerate(VERSIONS):
        version.change(folder)
        date = f"2026-01-{number + 1:02}T00:00Z"
        git(folder, "add", "--all")
        git(
            folder, "commit", "--quiet", "--allow-empty", "--message", version.tag,
            GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date,
        )  # fmt: skip
        git(folder, "tag", version.tag)
    return folder


def _between(text: str, start: str, end: str) -> str:
    return text[text.index(start) : text.index(end)]


def _defaults(questions: dict[str, Any], template: Path) -> dict[str, Any]:
    """What is answered by default, and derived from it."""
    jinja = JINJA.overlay(loader=FileSystemLoader(template))
    known: dict[str, Any] = {}
    for name, question in questions.items():
        default = question["default"]
        if isinstance(default, str):
            default = jinja.from_string(default).render(known)
            default = default if question["type"] == "str" else yaml.safe_load(default)
        known[name] = default
    return known


def _replace(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
    path.write_text(text.replace(old, new), encoding="utf-8")


def _insert_before(path: Path, place: str, text: str) -> None:
    _replace(path, place, text + place)


def _move(path: Path, start: str, end: str, before: str) -> None:
    """Move the text from `start` up to `end` to stand before another text."""
    text = path.read_text(encoding="utf-8")
    begin = text.index(start)
    block = text[begin : text.index(end, begin)]
    path.write_text(text.replace(block, ""), encoding="utf-8")
    _insert_before(path, before, block)


def _add(path: Path, text: str) -> None:
    assert not path.exists(), f"{path} exists already"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
