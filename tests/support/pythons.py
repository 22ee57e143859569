"""The Pythons of this machine, for jobs that ask for a version."""

import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

PYTHONS = ("3.11", "3.12", "3.13")


@cache
def interpreter(version: str) -> Path:
    """A Python of this version, also one that pyenv keeps aside; where there is none, our own."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    kept = sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python{version}")))
    found = shutil.which(f"python{version}")
    for path in [*([found] if found else []), *kept]:
        # A shim of pyenv may stand there for one that is not chosen.
        if subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return Path(path)
    return Path(sys.executable).resolve()
