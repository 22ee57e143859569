"""A template of a few files with six versions, for projects that live through them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.git import commit_all, git
from support.tiny import tiny_template

CODE = "src/{{ package }}"
TAGS = ("v1.0.0", "v1.1.0", "v1.2.0", "v2.0.0", "v3.0.0", "v3.1.0")
RENAMED = {"tools/check.py": "tools/verify.py"}  # by v2.0.0
SINCE = {"docs/extra.md": 1, "tools/extras.py": 2, "tools/verify.py": 3}  # else from the start
ASKS_EXTRAS = 2
QUESTION = """
extras:
  type: bool
  help: Whether there are extras.
  default: false

"""


def _lines(name: str) -> str:
    return "".join(f"{name} {number}\n" for number in range(12))


def build(folder: Path) -> Path:
    """A repository with a tag for each of TAGS."""
    template = tiny_template(
        folder,
        {
            "README.md.jinja": "# {{ project_name }}\n\nFor {{ owner }}.\n\n" + _lines("readme"),
            "docs/guide.md": _lines("guide"),
            "docs/old.md": _lines("old"),
            "docs/charter.md": _lines("charter"),
            "params.yaml": _lines("params"),
            "tools/check.py": _lines("check"),
            f"{CODE}/core.py": _lines("core"),
            f"{CODE}/score.py": _lines("score"),
            f"{CODE}/serve/app.py": _lines("app"),
        },
    )
    git(template, "tag", TAGS[0])
    for tag, change in zip(TAGS[1:], (_edit, _ask, _rename, _delete, _edit_more), strict=True):
        change(template)
        commit_all(template, tag)
        git(template, "tag", tag)
    return template


def switched_off(answers: Mapping[str, Any]) -> set[str]:
    """The paths that these answers leave out."""
    package = "src/late_flights"
    return {
        *(() if "batch" in answers["serving"] else (f"{package}/score.py",)),
        *(() if "realtime" in answers["serving"] else (f"{package}/serve/app.py",)),
        *(() if answers.get("extras") else ("tools/extras.py",)),
    }


def _edit(template: Path) -> None:
    """Lines change, and a file comes."""
    _replace(template / "template/docs/guide.md", "guide 3\n", "guide three\n")
    _replace(template / "template/tools/check.py", "check 9\n", "check nine\n")
    (template / "template/docs/extra.md").write_text(_lines("extra"))


def _ask(template: Path) -> None:
    """A new question switches a file."""
    _replace(template / "copier.yml", "# Derived:", f"{QUESTION}# Derived:")
    row = "{% if extras is defined and not extras %}"
    _replace(template / "copier.yml", "_exclude:\n",
             f"_exclude:\n  - |\n    {row}\n    /tools/extras.py\n    {{% endif %}}\n")  # fmt: skip
    (template / "template/tools/extras.py").write_text(_lines("extras"))


def _rename(template: Path) -> None:
    """A file is renamed and changed; what is in a folder of an answer changes too."""
    git(template / "template/tools", "mv", "check.py", "verify.py")
    _replace(template / "template/tools/verify.py", "check 5\n", "check five\n")
    _replace(template / f"template/{CODE}/serve/app.py", "app 4\n", "app four\n")
    _replace(template / "template/README.md.jinja", "readme 6\n", "")


def _delete(template: Path) -> None:
    """A file goes; what is the people's own changes in the template alone."""
    (template / "template/docs/old.md").unlink()
    _replace(template / "template/params.yaml", "params 2\n", "params two\n")
    _replace(template / f"template/{CODE}/score.py", "score 0\n", "score zero\n")


def _edit_more(template: Path) -> None:
    _replace(template / "template/docs/guide.md", "guide 3\n|guide three\n", "guide 3.1\n")
    _replace(template / f"template/{CODE}/core.py", "core 11\n", "core 11\ncore 12\n")
    _replace(template / "template/docs/extra.md", "extra 1\n", "extra one\n")


def _replace(path: Path, old: str, new: str) -> None:
    text, count = re.subn(old, lambda _: new, path.read_text(), count=1)
    assert count, f"{path} has no {old!r}"
    path.write_text(text)
