"""Copy all that is in a bucket into a folder: `fetch.py URL FOLDER`, run by a project's Python."""

import os
import sys
from pathlib import Path

import fsspec


def main(url: str, folder: str) -> None:
    scheme, _, name = url.partition("://")
    options = {}
    if scheme == "s3" and "S3_ENDPOINT" in os.environ:
        options = {"endpoint_url": os.environ["S3_ENDPOINT"]}
    store = fsspec.filesystem(scheme, **options)
    Path(folder).mkdir(parents=True)
    for found in store.find(name):
        copy = Path(folder, found.removeprefix(name).lstrip("/"))
        copy.parent.mkdir(parents=True, exist_ok=True)
        store.get_file(found, str(copy))


if __name__ == "__main__":
    main(*sys.argv[1:])
