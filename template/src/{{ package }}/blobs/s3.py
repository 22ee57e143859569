"""Buckets of S3, and of what speaks its language, such as MinIO."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from ..settings import Settings
from . import ANY, Blob, BlobError, Listed, Taken

MISSING = ("404", "NoSuchKey")
# The second one: somebody else writes the same name at this moment.
TAKEN = ("412", "PreconditionFailed", "409", "ConditionalRequestConflict")
CONFIG = Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
    # Not every server that speaks S3 knows the newer checksums.
    request_checksum_calculation="when_required",
    response_checksum_validation="when_required",
)


class Bucket:
    def __init__(self, url: str, bucket: str, prefix: str) -> None:
        self._url, self._bucket, self._prefix = url, bucket, prefix
        settings = Settings()
        region, endpoint = settings.aws_region, settings.s3_endpoint or None
        with self._told(""):
            self._client = boto3.client(
                "s3", region_name=region, endpoint_url=endpoint, config=CONFIG
            )

    def read(self, name: str) -> Blob:
        with self._told(name):
            found = self._client.get_object(Bucket=self._bucket, Key=self._prefix + name)
            return Blob(found["Body"].read(), found["ETag"])

    def write(self, name: str, content: bytes, over: str | None = ANY) -> None:
        condition = {} if over == ANY else {"IfMatch": over} if over else {"IfNoneMatch": "*"}
        key = self._prefix + name
        with self._told(name):
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, **condition)

    def files(self, folder: str = "") -> Iterable[Listed]:
        for page in self._pages(Prefix=self._prefix + folder):
            for found in page.get("Contents", []):
                name = found["Key"].removeprefix(self._prefix)
                yield Listed(name, found["LastModified"], found["ETag"])

    def folders(self) -> Iterable[str]:
        for page in self._pages(Prefix=self._prefix, Delimiter="/"):
            for found in page.get("CommonPrefixes", []):
                yield found["Prefix"].removeprefix(self._prefix).rstrip("/")

    def delete(self, name: str) -> None:
        with self._told(name):
            self._client.delete_object(Bucket=self._bucket, Key=self._prefix + name)

    def clear(self, folder: str) -> None:
        for listed in self.files(folder):
            self.delete(listed.name)

    def _pages(self, **arguments: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2")
        with self._told(""):
            yield from pages.paginate(Bucket=self._bucket, **arguments)

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Let errors say what they are about."""
        place = f"{self._url}/{name}".rstrip("/")
        try:
            yield
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code", "")
            if code in MISSING:
                raise FileNotFoundError(f"{place} is not there") from None
            if code in TAKEN:
                raise Taken(f"{place} has changed meanwhile") from None
            raise BlobError(f"{place}: {error}") from None
        except BotoCoreError as error:
            raise BlobError(f"{place}: {error}") from None
