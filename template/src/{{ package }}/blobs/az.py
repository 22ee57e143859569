"""Containers of Azure Blob Storage."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    AzureError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobPrefix, ContainerClient, ExponentialRetry

from ..settings import Settings
from . import ANY, Blob, BlobError, Listed, Taken

LIMITS: dict[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 30,
    "retry_policy": ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=3),
}


class Bucket:
    def __init__(self, url: str, bucket: str, prefix: str) -> None:
        self._url, self._prefix = url, prefix
        with self._told(""):
            self._container = _container(url, bucket)

    def read(self, name: str) -> Blob:
        with self._told(name):
            found = self._container.download_blob(self._prefix + name)
            return Blob(found.readall(), str(found.properties.etag))

    def write(self, name: str, content: bytes, over: str | None = ANY) -> None:
        condition: dict[str, Any] = {"overwrite": over is not None}
        if over not in (ANY, None):
            condition |= {"etag": over, "match_condition": MatchConditions.IfNotModified}
        with self._told(name):
            self._container.upload_blob(self._prefix + name, content, **condition)

    def files(self, folder: str = "") -> Iterable[Listed]:
        with self._told(""):
            for found in self._container.list_blobs(name_starts_with=self._prefix + folder):
                name = found.name.removeprefix(self._prefix)
                yield Listed(name, found.last_modified, str(found.etag))

    def folders(self) -> Iterable[str]:
        with self._told(""):
            for found in self._container.walk_blobs(name_starts_with=self._prefix):
                if isinstance(found, BlobPrefix):
                    yield found.name.removeprefix(self._prefix).rstrip("/")

    def delete(self, name: str) -> None:
        try:
            with self._told(name):
                self._container.delete_blob(self._prefix + name)
        except FileNotFoundError:
            pass

    def clear(self, folder: str) -> None:
        for listed in self.files(folder):
            self.delete(listed.name)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Let errors say what they are about."""
        place = f"{self._url}/{name}".rstrip("/")
        try:
            yield
        except (ResourceExistsError, ResourceModifiedError):
            raise Taken(f"{place} has changed meanwhile") from None
        except ResourceNotFoundError as error:
            if name and getattr(error, "error_code", "") != "ContainerNotFound":
                raise FileNotFoundError(f"{place} is not there") from None
            raise BlobError(f"{place}: there is no such container") from None
        except (AzureError, ValueError) as error:
            raise BlobError(f"{place}: {(str(error) or repr(error)).splitlines()[0]}") from None


def _container(url: str, name: str) -> ContainerClient:
    if said := os.environ.get("AZURE_STORAGE_CONNECTION_STRING"):
        return ContainerClient.from_connection_string(said, name, **LIMITS)
    account = Settings().azure_storage_account
    if account is None:
        raise BlobError(f"{url}: AZURE_STORAGE_ACCOUNT is not set, the account it belongs to")
    place = f"https://{account}.blob.core.windows.net"
    return ContainerClient(place, name, credential=DefaultAzureCredential(), **LIMITS)
