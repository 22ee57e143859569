"""Bring what the project keeps out of storage/: versions of the data, models, predictions."""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dvc.config import Config, ConfigError

from . import blobs
from .blobs import Location
from .errors import ProjectError
from .settings import REGION, STORES, Settings

# Where they lie until `use-store` names another place.
OWN = Path("storage")
# Below the place that is used, beside the folders models and predictions.
VERSIONS = "/dvc"
SCHEMES = {"az": "azure"}
MAKE = {
    "s3": "aws s3 mb s3://{bucket} --region {region}",
    "gs": "gcloud storage buckets create gs://{bucket} --location {region}",
    "az": "az storage container create --name {bucket} --auth-mode login --account-name ACCOUNT",
}


class UseStoreError(ProjectError):
    """The place cannot hold what the project keeps."""


def use_store(place: str, endpoint: str | None = None, account: str | None = None) -> list[str]:
    """Keep everything in a folder or a bucket from now on; return the lines for deploy/stores.env.

    ``endpoint`` is the server that answers for s3:// where it is not AWS, ``account`` the one of
    Azure that an az:// container belongs to. Raises UseStoreError, and changes nothing, where the
    place cannot be used.
    """
    point("storage", place, endpoint, account)
    return use("storage")


def shared(settings: Settings) -> list[str]:
    """The stores that others may use as well: all that are not in storage/."""
    places = [str(settings.model_store), str(settings.prediction_store), versions()]
    own = OWN.resolve()
    return [place for place in places if not Path(place).resolve().is_relative_to(own)]


def versions() -> str:
    """The folder or the URL where DVC keeps versions, by its default remote."""
    try:
        return _remote(Config.from_cwd()["core"]["remote"])["url"]
    except (ConfigError, KeyError) as error:
        raise UseStoreError(f".dvc/config names no default remote: {error}") from None


def point(remote: str, place: str, endpoint: str | None, account: str | None) -> None:
    """Let a remote of DVC lie in this place, after a try whether it can."""
    if not place.startswith("ssh://"):  # which only DVC speaks
        place = str(_try(place, endpoint, account))
    scheme, colon, rest = place.partition("://")
    dvc("remote", "add", "--force", remote, SCHEMES.get(scheme, scheme) + colon + rest + VERSIONS)
    region = REGION if scheme == "s3" and endpoint is None else None
    for option, value in (("endpointurl", endpoint), ("account_name", account), ("region", region)):
        if value:
            dvc("remote", "modify", remote, option, value)


def use(remote: str) -> list[str]:
    """Let models and predictions lie beside a remote; return the lines for deploy/stores.env."""
    options = _remote(remote)
    base = options["url"].removesuffix(VERSIONS).replace("azure://", "az://", 1)
    known = {
        "S3_ENDPOINT": options.get("endpointurl"),
        "AZURE_STORAGE_ACCOUNT": options.get("account_name"),
    }
    if not base.startswith("ssh://"):
        known |= {"MODEL_STORE": f"{base}/models", "PREDICTION_STORE": f"{base}/predictions"}
    lines = [f"{name}={value}" for name, value in sorted(known.items()) if value]
    text = STORES.read_text(encoding="utf-8") if STORES.exists() else ""
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in known]
    STORES.parent.mkdir(exist_ok=True)
    STORES.write_text("\n".join([*kept, *lines]) + "\n", encoding="utf-8")
    return lines


def _try(place: str, endpoint: str | None, account: str | None) -> Location:
    """The place, in which files can be written, and a second writer of the same name is refused."""
    try:
        where = blobs.location(place)
        if isinstance(where, Path):
            where = where.absolute()
        with _told(endpoint, account):
            _try_writing(where)
    except blobs.BlobError as error:
        raise UseStoreError(f"{error}{_hint(place)}") from None
    except (OSError, ValueError) as error:
        raise UseStoreError(str(error)) from None
    return where


def _try_writing(where: Location) -> None:
    name = f"try-{uuid.uuid4().hex}"
    if isinstance(where, Path):
        blobs.at(where).write(name, b"")
        blobs.at(where).delete(name)
        return
    blobs.bucket.cache_clear()  # what was opened with other settings
    bucket = blobs.bucket(where)
    bucket.write(name, b"", over=None)
    try:
        bucket.write(name, b"", over=None)
    except blobs.Taken:
        return
    finally:
        bucket.delete(name)
    raise UseStoreError(
        f"{where} does not refuse a second writer of the same name, so two could register at once: "
        "its server is too old for a model store"
    )


def _hint(place: str) -> str:
    scheme, _, rest = place.partition("://")
    if not REGION:
        return ""
    make = MAKE[scheme].format(bucket=rest.partition("/")[0], region=REGION)
    return f"; if it has not been made yet: {make}"


@contextmanager
def _told(endpoint: str | None, account: str | None) -> Iterator[None]:
    """Let the clients know what is not in the settings yet."""
    before = dict(os.environ)
    os.environ |= {"S3_ENDPOINT": endpoint or ""}
    os.environ |= {"AZURE_STORAGE_ACCOUNT": account} if account else {}
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def _remote(name: str) -> dict[str, str]:
    try:
        return dict(Config.from_cwd()["remote"][name])
    except (ConfigError, KeyError) as error:
        raise UseStoreError(f".dvc/config has no remote {name}: {error}") from None


def dvc(*arguments: str) -> None:
    """Run a command of DVC; raise UseStoreError when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        why = done.stderr.rpartition("ERROR: ")[2].strip().partition("\n")[0]
        raise UseStoreError(f"dvc {' '.join(arguments)}: {why}")
