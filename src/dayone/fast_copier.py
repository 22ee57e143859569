"""Copier writes the same bytes in less time: what it does anew for every file is done once.

Copier renders. A few of its internals are replaced while it does, and only in the versions that
tests/render/test_fast_copier.py compared byte for byte; every other version runs as it is.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dayone.project import git, run_git

PROVED = frozenset({"9.19.1"})

# Filters that may not give the same twice; Jinja runs a filter of a constant when it compiles.
_CHANGING = re.compile(r"ans_random|expand\w+|fileglob|random_mac|rea?lpath|shuffle|strftime")
_active = False


@contextmanager
def faster() -> Iterator[bool]:
    """Speed up what renders inside, and yield whether this version of Copier was proved.

    Of nested blocks the outermost keeps what renders share, until it ends. Not for threads.
    """
    global _active
    if _active or import_module("copier").__version__ not in PROVED:
        yield _active
        return
    with ExitStack() as stack:
        for owner, name, replaced_by in _replacements(stack):
            stack.callback(setattr, owner, name, vars(owner)[name])
            setattr(owner, name, replaced_by(vars(owner)[name]))
        _active = True
        try:
            yield True
        finally:
            _active = False


def _replacements(stack: ExitStack) -> list[tuple[Any, str, Callable[[Any], Any]]]:
    """The owner, the name, and what makes its replacement; above each stands what it saves."""
    main = import_module("copier._main")
    return [
        # compiling equal text again: for each part of a path, for each version, for each project
        (main, "SandboxedEnvironment", _compiling_once),
        # rendering the name of the answers file again for each part of each path
        (main.Worker, "answers_relpath", _named_once),
        # a process for each written file, to ask for git's core.fileMode
        (main.Worker, "_sync_git_index_executable_bit", _asking_once),
        # a slow clone; and for each further project of the same commit all of it, and copier.yml
        (main, "Template", lambda stock: _sharing(stock, stack)),
    ]


def _compiling_once(stock: Any) -> Any:
    codes: dict[tuple[str, str, str | None], Any] = {}

    class Environment(stock):  # type: ignore[misc]
        def __init__(self, loader: Any, **options: Any) -> None:
            super().__init__(loader=loader, **options)
            self.options = repr(sorted(options.items()))

        def compile(self, source: Any, name: Any = None, filename: Any = None) -> Any:
            if not isinstance(source, str) or _CHANGING.search(source):
                return super().compile(source, name, filename)
            key = (self.options, source, name)
            if key in codes:
                self.preprocess(source, name, filename)  # resets the state of Copier's yield tag
            else:
                codes[key] = super().compile(source, name, filename)
            return codes[key]

    return Environment


def _named_once(stock: Any) -> Any:
    phase = import_module("copier").Phase

    def answers_relpath(worker: Any) -> Any:
        if phase.current() is not phase.RENDER:  # not all answers are given
            return stock.fget(worker)
        known = vars(worker.answers)
        worker.jinja_env.preprocess("")  # as in Environment.compile
        return known.get("_relpath") or known.setdefault("_relpath", stock.fget(worker))

    return property(answers_relpath)


def _asking_once(stock: Any) -> Any:
    def sync(worker: Any, path: Path, mode: int) -> None:
        known, folder = vars(worker), worker.subproject.local_abspath
        if "_file_mode" not in known:
            asked = run_git("config", "--type=bool", "--get", "core.fileMode", cwd=folder)
            known["_file_mode"] = asked.stdout.strip()
        if known["_file_mode"] == "false":
            stock(worker, path, mode)

    return sync


def _sharing(stock: Any, stack: ExitStack) -> Any:
    kept: dict[tuple[str, ...], Any] = {}

    def template(url: str, ref: Any = None, use_prereleases: bool = False) -> Any:
        new = stock(url=url, ref=ref, use_prereleases=use_prereleases)
        if not re.fullmatch(r"[0-9a-f]{40}", str(ref)) or not Path(url).is_dir():
            return new  # it may be another commit the next time
        tags = run_git("for-each-ref", "refs/tags", cwd=Path(url)).stdout  # _commit names one
        if (url, ref, tags) not in kept:
            if new.vcs != "git":
                return new
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="dayone-"))).resolve()
            git("clone", "--quiet", "--shared", "--no-checkout", "--", url, str(folder), cwd=Path())
            git("checkout", "--quiet", "--force", ref, cwd=folder)
            if (folder / ".gitmodules").exists():
                return new
            kept[url, ref, tags], vars(new)["local_abspath"] = new, folder
        return kept[url, ref, tags]

    return template
