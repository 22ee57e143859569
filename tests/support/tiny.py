"""A template of a few files around the real copier.yml, so that tests of the CLI take a second."""

import shutil
from pathlib import Path

from support import ROOT
from support.git import commit_all

FILES = {
    "{{ _copier_conf.answers_file }}.jinja": (
        "_commit_sha: {{ _copier_conf.vcs_ref_hash | to_json }}\n"
        "{{ _copier_answers | to_nice_yaml(width=10000) }}"
    ),
    "README.md.jinja": "# {{ project_name }}\n",
    "pyproject.toml.jinja": """\
[project]
name = "{{ slug }}"
version = "0.1.0"
requires-python = ">=3.11,<3.14"
""",
    "src/{{ package }}/__init__.py": "",
}

# The two commands that dayone starts in a project, as far as these tests need them; uv builds it
# with its own backend, without the package index.
COMMANDS = {
    "pyproject.toml.jinja": """\
[build-system]
requires = ["uv_build"]
build-backend = "uv_build"

[project]
name = "{{ slug }}"
version = "0.1.0"
requires-python = ">=3.11,<3.14"

[project.scripts]
{{ slug }} = "{{ package }}:main"
nox = "{{ package }}:nox"
""",
    "src/{{ package }}/__init__.py": '''\
import pathlib
import sys


def main():
    """Write down what was asked, or refuse a table of that name."""
    if "refused" in sys.argv[2]:
        sys.exit("This table is refused.")
    pathlib.Path("table.txt").write_text("\\n".join(sys.argv[1:]))
    print("Took the table in.")


def nox():
    print("demo:", *sys.argv[1:])
    sys.exit(3)
''',
}


def tiny_template(folder: Path, files: dict[str, str] | None = None) -> Path:
    """Commit a template of the real questions and hooks, and of FILES changed by `files`."""
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "copier.yml", folder)
    for name in ("includes", "hooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (FILES | (files or {})).items():
        path = folder / "template" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    commit_all(folder)
    return folder
