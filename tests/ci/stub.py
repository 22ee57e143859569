"""Stands for an action of GitHub or others: notes what it is given, and does what jobs rest on."""

import json
import os
import shutil
import sys
from pathlib import Path

name = sys.argv[1]
given = json.loads(os.environ["INPUTS"])
kept = Path(os.environ["ARTIFACTS"], given.get("name") or "")
with Path(os.environ["SAID"]).open("a", encoding="utf-8") as file:
    print(name, json.dumps(given, sort_keys=True), file=file)
if name == "actions/setup-python":
    python = Path(os.environ["PYTHONS"], given["python-version"])
    if not python.is_dir():
        sys.exit(f"no Python {given['python-version']} on this machine")
    with Path(os.environ["GITHUB_PATH"]).open("a", encoding="utf-8") as file:
        print(python, file=file)
elif name == "actions/upload-artifact":
    found = [path for pattern in given["path"].split() for path in Path().glob(pattern)]
    if not found:
        sys.exit(f"nothing at {given['path']}")
    kept.mkdir(parents=True, exist_ok=True)
    for path in found:
        shutil.copy(path, kept)
elif name == "actions/download-artifact":
    for path in kept.iterdir():
        shutil.copy(path, Path())
