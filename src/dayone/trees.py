"""git's trees as plain mappings, in a throw-away repository that sees a project's objects."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dayone.errors import DayoneError
from dayone.project import git, git_says, run_git

Tree = dict[str, "Entry"]
_WHY = {
    "content": "both sides changed the same lines",
    "modify/delete": "you changed it, the template has it no more",
    "add/add": "both sides added it, with different content",
    "rename/delete": "you renamed it, the template has it no more",
    "rename/rename": "both sides renamed it",
    "file/directory": "a file on one side, a folder on the other",
    "binary": "both sides changed it, and it is not text",
    "distinct types": "different kinds of file on both sides",
}
_BASE = re.compile(rb"^\|{7} [0-9a-f]+", re.MULTILINE)
_NOBODY = {
    f"GIT_{role}_{field}": value
    for role in ("AUTHOR", "COMMITTER")
    for field, value in (("NAME", "dayone"), ("EMAIL", "dayone@localhost"))
}


class Entry(NamedTuple):
    """What git knows of one path: file mode and the object's hash."""

    mode: str
    object: str


@dataclass(frozen=True)
class Conflict:
    """A path that two sides changed so that a person must decide."""

    path: str
    why: str


@dataclass(frozen=True)
class Merge:
    tree: str
    conflicts: list[Conflict]


class Trees:
    """A bare repository beside the project's: reads its objects, and writes none there."""

    def __init__(self, folder: Path, project: Path) -> None:
        self.repository = folder / "trees.git"
        self.project = project
        kind = git("rev-parse", "--show-object-format", cwd=project)
        git(
            "init", "--quiet", "--bare", f"--object-format={kind}", str(self.repository), cwd=folder
        )
        objects = git("rev-parse", "--path-format=absolute", "--git-path", "objects", cwd=project)
        alternates = self.repository / "objects/info/alternates"
        alternates.parent.mkdir(exist_ok=True)
        alternates.write_text(f"{objects}\n", encoding="utf-8")
        self._indexes = 0

    def git(self, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        return git(*arguments, cwd=self.repository, env=dict(env or {}))

    def of_folder(self, folder: Path) -> Tree:
        """Every file below a folder, ignored or not, with its line endings as they are."""
        env = self._index()
        settings = ("-c", "core.excludesFile=/dev/null", "-c", "core.autocrlf=false")
        bare = (f"--git-dir={self.repository}", f"--work-tree={folder}")
        git(*bare, *settings, "add", "--all", "--force", ".", cwd=folder, env=env)
        return self._staged(env)

    def of_commit(self, commit: str, prefix: str) -> Tree:
        """The files of a commit below a prefix."""
        where = f"{commit}:{prefix.rstrip('/')}"
        return _entries(self.git("ls-tree", "-r", "-z", where))

    def of_work_tree(self, folder: Path, prefix: str) -> Tree:
        """The files of a project as they lie there, with what is not committed."""
        env = {
            **self._index(),
            "GIT_OBJECT_DIRECTORY": str(self.repository / "objects"),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": (
                self.repository / "objects/info/alternates"
            ).read_text(encoding="utf-8").strip(),
        }  # fmt: skip
        git("read-tree", "HEAD", cwd=folder, env=env)
        git("add", "--all", "--", ".", cwd=folder, env=env)
        staged = _entries(git("ls-files", "--stage", "-z", "--full-name", cwd=folder, env=env))
        return {path.removeprefix(prefix): entry for path, entry in staged.items()}

    def write(self, tree: Tree) -> str:
        """The hash of a tree of these files."""
        env = self._index()
        lines = "".join(f"{mode} {name} 0\t{path}\0" for path, (mode, name) in tree.items())
        git("update-index", "-z", "--index-info", cwd=self.repository, env=env, given=lines)
        return self.git("write-tree", env=env)

    def commit(self, tree: str, name: str, *parents: str) -> str:
        """Commit a tree on a branch, whose name stands in conflict markers."""
        above = [part for parent in parents for part in ("-p", parent)]
        commit = self.git("commit-tree", *above, "-m", name, tree, env=_NOBODY)
        self.git("update-ref", f"refs/heads/{name}", commit)
        return commit

    def merge(self, ours: str, theirs: str, base: str) -> Merge:
        """Merge two branches into a tree; conflicts stand in it as three-way markers.

        `base` is the name for what both come from, where git would put a hash that nobody knows.
        """
        wanted = [
            *("merge.conflictStyle=zdiff3", "merge.directoryRenames=true"),
            "core.attributesFile=/dev/null",  # a person's own could let one side win in silence
        ]
        settings = [part for one in wanted for part in ("-c", one)]
        result = run_git(
            *settings, "merge-tree", "--write-tree", "--name-only", "-z", ours, theirs,
            cwd=self.repository,
        )  # fmt: skip
        if result.returncode not in {0, 1}:
            raise DayoneError(f"git merge-tree failed: {git_says(result.stderr)}")
        merge = _read_merge(result.stdout)
        tree = self.of_commit(merge.tree, "")
        for path in {conflict.path for conflict in merge.conflicts} & set(tree):
            named = _BASE.sub(b"||||||| " + base.encode(), self.blob(tree[path].object))
            tree[path] = Entry(tree[path].mode, self.store(named))
        return Merge(self.write(tree), merge.conflicts)

    def renames(self, old: str, new: str) -> dict[str, str]:
        """Which path became which between two trees, as git finds it."""
        found = self.git(
            "diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", old, new
        )
        parts = found.split("\0")
        return {parts[i + 1]: parts[i + 2] for i in range(0, len(parts) - 2, 3)}

    def blob(self, name: str) -> bytes:
        """The content of a file, byte for byte."""
        command = ["git", "cat-file", "blob", name]
        return subprocess.run(command, cwd=self.repository, capture_output=True, check=True).stdout

    def store(self, content: bytes) -> str:
        """The hash of new content."""
        command = ["git", "hash-object", "-w", "--stdin"]
        done = subprocess.run(
            command, cwd=self.repository, input=content, capture_output=True, check=True
        )
        return done.stdout.decode().strip()

    def difference(self, before: str, after: str) -> bytes:
        """A patch from one tree to another, which `git apply` takes."""
        plain = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary", "-M")
        prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
        command = ["git", "diff", *plain, *prefixes, before, after]
        return subprocess.run(command, cwd=self.repository, capture_output=True, check=True).stdout

    def hand_over(self, objects: list[str]) -> None:
        """Give the project objects that only this repository has."""
        command = ["git", "pack-objects", "--quiet", "--stdout"]
        wanted = "".join(f"{name}\n" for name in objects).encode()
        packed = subprocess.run(
            command, cwd=self.repository, input=wanted, capture_output=True, check=True
        ).stdout
        unpacked = subprocess.run(
            ["git", "unpack-objects", "-q"], cwd=self.project, input=packed, capture_output=True,
            check=False,
        )  # fmt: skip
        if unpacked.returncode:
            raise DayoneError(
                f"The repository cannot be written: {git_says(unpacked.stderr.decode())}"
            )

    def _index(self) -> dict[str, str]:
        self._indexes += 1
        return {"GIT_INDEX_FILE": str(self.repository / f"index-{self._indexes}")}

    def _staged(self, env: Mapping[str, str]) -> Tree:
        return _entries(self.git("ls-files", "--stage", "-z", env=env))


def _entries(listed: str) -> Tree:
    """`<mode> … <hash> …<tab><path>`, as both ls-tree and ls-files print it."""
    tree = {}
    for line in filter(None, listed.split("\0")):
        described, _, path = line.partition("\t")
        mode, *rest = described.split(" ")
        tree[path] = Entry(mode, max(rest, key=len))
    return tree


def _read_merge(printed: str) -> Merge:
    """The tree, the paths in conflict, then messages: a count, that many paths, a kind, a text."""
    tree, *rest = printed.split("\0")
    if not any(rest):
        return Merge(tree, [])
    end = rest.index("")
    paths, messages = rest[:end], rest[end + 1 :]
    why: dict[str, str] = {}
    while len(messages) > 1:
        count = int(messages[0])
        about, kind, text = messages[1 : count + 1], messages[count + 1], messages[count + 2]
        if kind.startswith("CONFLICT"):
            named = re.match(r"CONFLICT \((.+?)\)", text)
            for path in about:
                why.setdefault(path, _WHY.get(named[1] if named else kind[10:-1], text.strip()))
        messages = messages[count + 3 :]
    return Merge(tree, [Conflict(path, why.get(path, "changed on both sides")) for path in paths])
