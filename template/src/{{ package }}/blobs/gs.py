"""Buckets of Google Cloud Storage."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import requests
from google.api_core.exceptions import GoogleAPIError, NotFound, PreconditionFailed
from google.auth.exceptions import GoogleAuthError
from google.cloud import storage
from google.cloud.storage.retry import DEFAULT_RETRY

from . import ANY, Blob, BlobError, Listed, Taken

TIMEOUT = (5, 30)
RETRY = DEFAULT_RETRY.with_timeout(15)


class Bucket:
    def __init__(self, url: str, bucket: str, prefix: str) -> None:
        self._url, self._prefix = url, prefix
        with self._told(""):
            # Objects need no project: only who lists or makes buckets has to name one.
            self._bucket = storage.Client(project=None).bucket(bucket)

    def read(self, name: str) -> Blob:
        blob = self._bucket.blob(self._prefix + name)
        with self._told(name, read=True):
            content = blob.download_as_bytes(timeout=TIMEOUT, retry=RETRY)
        return Blob(content, str(blob.generation))

    def write(self, name: str, content: bytes, over: str | None = ANY) -> None:
        generation = None if over == ANY else int(over or 0)
        blob = self._bucket.blob(self._prefix + name)
        with self._told(name):
            blob.upload_from_string(
                content,
                "application/octet-stream",
                if_generation_match=generation,
                timeout=TIMEOUT,
                retry=RETRY,
            )

    def files(self, folder: str = "") -> Iterable[Listed]:
        with self._told(""):
            for found in self._listing(prefix=self._prefix + folder):
                name = found.name.removeprefix(self._prefix)
                yield Listed(name, found.updated, str(found.generation))

    def folders(self) -> Iterable[str]:
        with self._told(""):
            listing = self._listing(prefix=self._prefix, delimiter="/")
            # The prefixes are known when all pages are read.
            for _ in listing:
                pass
        names = (prefix.removeprefix(self._prefix) for prefix in listing.prefixes)
        return sorted(name.rstrip("/") for name in names)

    def delete(self, name: str) -> None:
        try:
            with self._told(name, read=True):
                self._bucket.blob(self._prefix + name).delete(timeout=TIMEOUT, retry=RETRY)
        except FileNotFoundError:
            pass

    def clear(self, folder: str) -> None:
        for listed in self.files(folder):
            self.delete(listed.name)

    def _listing(self, **arguments: str) -> Any:
        return self._bucket.list_blobs(timeout=TIMEOUT, retry=RETRY, **arguments)

    @contextmanager
    def _told(self, name: str, *, read: bool = False) -> Iterator[None]:
        """Let errors say what they are about."""
        place = f"{self._url}/{name}".rstrip("/")
        try:
            yield
        except PreconditionFailed:
            raise Taken(f"{place} has changed meanwhile") from None
        except NotFound as error:
            if read and "bucket does not exist" not in str(error):
                raise FileNotFoundError(f"{place} is not there") from None
            raise BlobError(f"{place}: there is no such bucket") from None
        except (GoogleAPIError, GoogleAuthError, requests.RequestException) as error:
            raise BlobError(f"{place}: {error}") from None
