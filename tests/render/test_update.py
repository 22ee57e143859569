"""A plain `copier update` from the first version of the template ends where a fresh copy begins."""

import subprocess
from pathlib import Path

import yaml
from copier import Settings, run_copy, run_update

from dayone.ownership import Ownership, matches
from support import ROOT
from support.git import commit_all, git
from support.rendering import TEMPLATE_PATHS


def history_and_work_tree(folder: Path) -> Path:
    """The repository with its history, and the work tree as one more commit."""
    git(ROOT, "clone", "--quiet", "--no-local", str(ROOT), str(folder))
    tracked = git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *TEMPLATE_PATHS)
    for path in TEMPLATE_PATHS:
        git(folder, "rm", "-r", "--quiet", "--ignore-unmatch", path)
    archive = subprocess.run(
        [
            "tar",
            "-c",
            "-C",
            str(ROOT),
            *[name for name in tracked.splitlines() if (ROOT / name).exists()],
        ],
        capture_output=True,
        check=True,
    ).stdout
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive, check=True)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Work tree")
    return folder


def contents(project: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(project)): path.read_bytes()
        for path in project.rglob("*")
        if path.is_file() and ".git" not in path.relative_to(project).parts
    }


def test_update_of_an_unedited_project_equals_a_fresh_copy(tmp_path: Path) -> None:
    template = history_and_work_tree(tmp_path / "template")
    first = git(template, "rev-list", "--max-parents=0", "HEAD").splitlines()[-1]
    answers = {"project_name": "My PoC"}
    updated = tmp_path / "updated"
    run_copy(
        str(template), updated, data=answers, vcs_ref=first, defaults=True, quiet=True,
        settings=Settings(),
    )  # fmt: skip
    began_with = contents(updated)
    commit_all(updated, "As it was")
    run_update(
        updated, vcs_ref="HEAD", defaults=True, overwrite=True, quiet=True, settings=Settings()
    )
    fresh = tmp_path / "fresh"
    run_copy(
        str(template), fresh, data=answers, vcs_ref="HEAD", defaults=True, quiet=True,
        settings=Settings(),
    )  # fmt: skip
    settings = yaml.safe_load((ROOT / "copier.yml").read_text())
    ownership = Ownership(settings["_ownership"])
    (never,) = [row for row in settings["_exclude"] if "_copier_operation == 'update'" in row]
    once = [path for path in never.splitlines() if path.startswith("/")]
    expected = {
        name: began_with.get(name, content) if ownership.owner_of(name) == "yours" else content
        for name, content in contents(fresh).items()
        if name in began_with or not any(matches(path, name) for path in once)
    }
    assert contents(updated) == expected
