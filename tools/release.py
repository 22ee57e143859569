"""Checks that this commit can be released as a version, and tags it: `nox -s release -- 1.2.0`.

Nothing is changed but the tag, and nothing is pushed. CONTRIBUTING.md says what comes before.
"""

import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import yaml
from packaging.version import Version

from path_freeze import Release, git, lost_paths, releases, work_tree

ROOT = Path(__file__).parents[1]
VERSION_FILE = "src/dayone/__init__.py"
MIGRATIONS = "hooks/migrations"
NUMBER = r"(?:0|[1-9]\d*)"


def main(arguments: list[str], repository: Path = ROOT) -> int:
    if len(arguments) != 1:
        print("Which version? nox -s release -- 1.2.0", file=sys.stderr)
        return 2
    version = arguments[0]
    found = problems(repository, version)
    if found:
        print("\n".join(found), file=sys.stderr)
        return 1
    tag(repository, version)
    print(f"v{version} is tagged. Publish it with: git push --atomic origin main v{version}")
    return 0


def problems(repository: Path, version: str) -> list[str]:
    """Every reason why this commit cannot be that version."""
    if not re.fullmatch(rf"{NUMBER}\.{NUMBER}\.{NUMBER}", version):
        return [f"{version} is no version: it is written MAJOR.MINOR.PATCH, as in 1.2.0."]
    earlier = releases(repository)
    return [
        *version_problems(repository, version, earlier),
        *repository_problems(repository),
        *changelog_problems(repository, version),
        *migration_problems(repository, version, earlier[-1:]),
        *answer_problems(repository, version, earlier[-1:]),
        *lost_paths([*earlier[-1:], work_tree(repository, Version(version))]),
    ]


def version_problems(repository: Path, version: str, earlier: list[Release]) -> list[str]:
    found = []
    if earlier and Version(version) <= earlier[-1].version:
        found.append(f"{version} is not newer than {earlier[-1].name}.")
    written = package_version(repository)
    if written != version:
        found.append(f"{VERSION_FILE} says {written}: write {version} there, and commit it.")
    return found


def repository_problems(repository: Path) -> list[str]:
    found = []
    branch = git(repository, "rev-parse", "--abbrev-ref", "HEAD")[0]
    if branch != "main":
        found.append(f"This is {branch}: releases are made on main.")
    if git(repository, "status", "--porcelain"):
        found.append("There are changes that are not committed: commit them, or put them away.")
    return found


def changelog_problems(repository: Path, version: str) -> list[str]:
    section = changelog(repository, version)
    if section is None:
        return [f"CHANGELOG.md has no section for it: ## [{version}] - {date.today()}"]
    found = []
    if not is_date(section[0]):
        found.append(f"CHANGELOG.md says {version} is of {section[0]}: a date is YYYY-MM-DD.")
    upgrading = re.search(r"^### Upgrading\n(.*?)(?=^### |\Z)", section[1], re.M | re.S)
    if upgrading is None or not upgrading[1].strip():
        found.append(
            f'CHANGELOG.md has no text under "### Upgrading" in {version}: '
            "say what to do in a project, or that there is nothing to do."
        )
    return found


def migration_problems(repository: Path, version: str, before: list[Release]) -> list[str]:
    """Names are for ever, because projects remember them; new ones come with a major version."""
    files = git(repository, "ls-tree", "--name-only", "HEAD", f"{MIGRATIONS}/")
    old = [
        file
        for release in before
        for file in git(repository, "ls-tree", "--name-only", release.name, f"{MIGRATIONS}/")
    ]
    major = re.fullmatch(r"[1-9]\d*\.0\.0", version)
    found = [f"{file} is gone, and older projects need it." for file in old if file not in files]
    for file in sorted(set(files) - set(old)):
        if not major:
            found.append(f"{file}: a migration comes with a major version, and {version} is none.")
        elif not re.fullmatch(rf"{MIGRATIONS}/{re.escape(version)}_\w+\.py", file):
            found.append(f"{file}: it comes with {version}, so name it {version}_WHAT_IT_DOES.py.")
    names = [Path(file).stem for file in files]
    config = yaml.safe_load((repository / "copier.yml").read_text(encoding="utf-8"))
    if sorted(config["migrations"]["default"]) != sorted(names):
        found.append(f"`migrations` in copier.yml does not list the files of {MIGRATIONS}.")
    return found


def answer_problems(repository: Path, version: str, before: list[Release]) -> list[str]:
    """Stored answers must be answers of this version too, within a major one."""
    now = questions((repository / "copier.yml").read_text(encoding="utf-8"))
    found = []
    for release in before:
        if release.version.major != Version(version).major:
            continue
        text = "\n".join(git(repository, "show", f"{release.name}:copier.yml"))
        for name, choices in questions(text).items():
            gone = sorted(choices - now[name]) if name in now else [""]
            found += [
                f"{f'{name}: {choice}' if choice else name} could be answered in {release.name} "
                "and cannot any more: it may go at a new major version."
                for choice in gone
            ]
    return found


def questions(copier_yml: str) -> dict[str, set[str]]:
    """The questions that are asked, each with the values that can be chosen."""
    asked = {}
    for name, question in yaml.safe_load(copier_yml).items():
        if not name.startswith("_") and question.get("when") is not False:
            choices = question.get("choices", [])
            values = choices.values() if isinstance(choices, dict) else choices
            asked[name] = {str(value[1] if isinstance(value, list) else value) for value in values}
    return asked


def package_version(repository: Path) -> str:
    text = (repository / VERSION_FILE).read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(.*)"$', text, re.M)
    return match[1] if match else "nothing"


def changelog(repository: Path, version: str) -> tuple[str, str] | None:
    """The date of a version's section and its text."""
    text = (repository / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = rf"^## \[{re.escape(version)}\](?: - (\S+))?\n(.*?)(?=^## |\Z)"
    match = re.search(heading, text, re.M | re.S)
    return (match[1] or "no date", match[2].strip()) if match else None


def is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def tag(repository: Path, version: str) -> None:
    """An annotated tag whose message is the section; its headings are no comments."""
    section = changelog(repository, version)
    text = section[1] if section else ""
    subprocess.run(
        ["git", "tag", "--annotate", "--cleanup=whitespace", "--file=-", f"v{version}"],
        cwd=repository,
        input=f"dayone {version}\n\n{text}\n",
        encoding="utf-8",
        check=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
