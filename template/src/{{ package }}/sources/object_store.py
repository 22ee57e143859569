"""Tables in the objects of a bucket: S3 and what speaks it, Google Cloud Storage, Azure Blob.

Who we are there, each cloud's own client finds out: from the environment, the machine, a login.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import fsspec
import polars as pl
from pydantic import Field

from . import Options as BaseOptions
from . import Position, Reading, SourceError, formats, hidden

# Seconds to connect, and to wait for an answer.
CONNECT, ANSWER = 10, 60
SECRETS = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_CLIENT_SECRET",
    "AZURE_STORAGE_CONNECTION_STRING",
)


class Options(BaseOptions):
    """The ``url`` of an object, as s3://bucket/name, gs:// or az://container/name, or a glob.

    All its objects are one table. ``separator`` and ``encoding`` are those of a CSV.
    """

    kind: Literal["object_store"]
    url: str = Field(pattern=r"^(s3|gs|az)://[^/*?\[]+/.+")
    separator: str | None = None
    encoding: formats.Encoding = "utf-8"


def read(options: Options, after: Position | None) -> Reading:
    """The objects that are new, each known by entity tag and size (see formats.reading)."""
    store = _store(options)
    found = _found(options, store)
    return formats.reading(found, after, lambda name: _rows(options, store, name, found[name]))


def put(options: Options, file: Path, name: str) -> None:
    """Put a Parquet file in the place of the object of this name; who reads sees one of the two."""
    url = formats.target(options.url, name)
    store = _store(options)
    try:
        store.put_file(str(file), url.partition("://")[2])
    except Exception as error:
        raise _failed(url, error, "written") from None


def _store(options: Options) -> Any:
    scheme = options.url.partition(":")[0]
    s3 = {"connect_timeout": CONNECT, "read_timeout": ANSWER, "retries": {"max_attempts": 3}}
    account = os.environ.get("AZURE_STORAGE_ACCOUNT")
    az = {"account_name": account, "anon": False, "connection_timeout": CONNECT}
    settings: dict[str, dict[str, Any]] = {
        "s3": {"config_kwargs": s3},
        "gs": {"timeout": ANSWER},
        "az": {**az, "read_timeout": ANSWER},
    }
    try:
        return fsspec.filesystem(
            scheme, skip_instance_cache=True, use_listings_cache=False, **settings[scheme]
        )
    except ImportError as error:
        raise SourceError(f"{options.url}: {error}; add it to the group train") from None
    except Exception as error:
        raise _failed(options.url, error) from None


def _found(options: Options, store: Any) -> dict[str, str]:
    """The tags of the objects, by their names with the bucket before it, in order."""
    path = options.url.partition("://")[2]
    try:
        infos = store.glob(path, detail=True)
    except FileNotFoundError:
        infos = {}
    except Exception as error:
        raise _failed(options.url, error) from None
    found = {name: _tag(info) for name, info in sorted(infos.items()) if info["type"] == "file"}
    if not found:
        raise SourceError(f"{options.url}: there is no such object, or no such bucket")
    return found


def _tag(info: dict[str, Any]) -> str:
    return f"{info.get('ETag') or info.get('etag')} {info['size']}"


def _rows(options: Options, store: Any, name: str, tag: str) -> Iterator[pl.DataFrame]:
    """The rows of an object as it was found; raise SourceError when it is another by now."""
    url = f"{options.url.partition(':')[0]}://{name}"
    with TemporaryDirectory() as folder:
        copy = Path(folder) / name.rpartition("/")[2]
        try:
            store.get_file(name, str(copy))
            now = _tag(store.info(name))
        except Exception as error:
            raise _failed(url, error) from None
        if now != tag:
            raise SourceError(f"{url} has changed while it was read: try again")
        try:
            yield from formats.read(copy, options.separator, options.encoding)
        except SourceError as error:
            raise SourceError(str(error).replace(str(copy), url)) from None


def _failed(url: str, error: Exception, done: str = "read") -> SourceError:
    """The three clients share no class of errors, and their messages are of many kinds."""
    said = hidden(error, *(os.environ.get(name, "") for name in SECRETS))
    return SourceError(f"{url} cannot be {done}: {type(error).__name__}: {said}")
