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

from . import Batch, Position, Reading, SourceError, formats, hidden
from . import Options as BaseOptions

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
    """The objects that are new, by name; all of them when one that was read has changed or is gone.

    The position has the entity tag and the size of each object that was read.
    """
    store = _store(options)
    found = _found(options, store)
    known = after or {}
    anew = any(found.get(name) != tag for name, tag in known.items())
    documents = any(formats.is_json(Path(name)) for name in found)
    return Reading(_batches(options, store, found, {} if anew else known), anew, documents)


def _store(options: Options) -> Any:
    scheme = options.url.partition(":")[0]
    settings: dict[str, dict[str, Any]] = {
        "s3": {
            "config_kwargs": {
                "connect_timeout": CONNECT,
                "read_timeout": ANSWER,
                "retries": {"max_attempts": 3},
            }
        },
        "gs": {"timeout": ANSWER},
        "az": {
            "account_name": os.environ.get("AZURE_STORAGE_ACCOUNT"),
            "anon": False,
            "connection_timeout": CONNECT,
            "read_timeout": ANSWER,
        },
    }
    try:
        return fsspec.filesystem(
            scheme, skip_instance_cache=True, use_listings_cache=False, **settings[scheme]
        )
    except ImportError as error:
        raise SourceError(f"{options.url}: {error}; add it to the group train") from None
    except Exception as error:
        raise _unreadable(options.url, error) from None


def _found(options: Options, store: Any) -> dict[str, str]:
    """The tags of the objects, by their names with the bucket before it, in order."""
    path = options.url.partition("://")[2]
    try:
        infos = store.glob(path, detail=True)
    except FileNotFoundError:
        infos = {}
    except Exception as error:
        raise _unreadable(options.url, error) from None
    found = {name: _tag(info) for name, info in sorted(infos.items()) if info["type"] == "file"}
    if not found:
        raise SourceError(f"{options.url}: there is no such object, or no such bucket")
    return found


def _tag(info: dict[str, Any]) -> str:
    return f"{info.get('ETag') or info.get('etag')} {info['size']}"


def _batches(
    options: Options, store: Any, found: dict[str, str], known: Position
) -> Iterator[Batch]:
    scheme = options.url.partition(":")[0]
    for name, tag in found.items():
        if name in known:
            continue
        with TemporaryDirectory() as folder:
            copy = Path(folder) / name.rpartition("/")[2]
            url = f"{scheme}://{name}"
            _fetch(store, name, tag, copy, url)
            try:
                for rows in formats.read(copy, options.separator, options.encoding):
                    yield Batch(rows, None)
            except SourceError as error:
                raise SourceError(str(error).replace(str(copy), url)) from None
        known = known | {name: tag}
        yield Batch(pl.DataFrame(), known)


def _fetch(store: Any, name: str, tag: str, copy: Path, url: str) -> None:
    """A copy of the object as it was found; raise SourceError when it is another by now."""
    try:
        store.get_file(name, str(copy))
        now = _tag(store.info(name))
    except Exception as error:
        raise _unreadable(url, error) from None
    if now != tag:
        raise SourceError(f"{url} has changed while it was read: try again")


def _unreadable(url: str, error: Exception) -> SourceError:
    """The three clients share no class of errors, and their messages are of many kinds."""
    said = hidden(error, *(os.environ.get(name, "") for name in SECRETS))
    return SourceError(f"{url} cannot be read: {type(error).__name__}: {said}")
