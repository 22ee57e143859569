"""Where data may be: what a contract classifies as sensitive, and what is made from it, stays home.

One sensitive column is enough for all that is made from the data: tables, models, predictions.
`score` asks here too, where there is neither DVC nor anything else of training.
"""

from configparser import ConfigParser
from pathlib import Path

import yaml

from .errors import ProjectError
from .records import SENSITIVE
from .settings import Settings

PATH = Path("residency.yaml")
# The remotes of DVC: on own machines, and in the cloud.
HOME, CLOUD = "storage", "cloud"


class ResidencyError(ProjectError):
    """Something sensitive would leave the own machines."""


def sensitive() -> list[str]:
    """The columns that contracts classify as such."""
    found = []
    for path in sorted(Path("contracts").glob("*.odcs.yaml")):
        contract = yaml.safe_load(path.read_text(encoding="utf-8"))
        for table in contract.get("schema") or []:
            for column in table.get("properties") or []:
                if str(column.get("classification")).lower() in SENSITIVE:
                    found.append(f"{table['name']}.{column['name']}")
    return found


def use_store(
    place: str, own: bool = False, endpoint: str | None = None, account: str | None = None
) -> list[str]:
    """Let one of the two sides be in this place; return the lines for deploy/stores.env."""
    from . import stores

    stores.point(HOME if own else CLOUD, place, endpoint, account)
    return settle()


def settle() -> list[str]:
    """Send everything where the contracts allow it; return the lines for deploy/stores.env."""
    from . import stores

    remote = HOME if sensitive() else CLOUD
    comments = [line for line in _lines() if line.startswith("#")]
    PATH.write_text("\n".join([*comments, f"remote: {remote}"]) + "\n", encoding="utf-8")
    stores.dvc("remote", "default", remote)
    return stores.use(remote)


def check(settings: Settings) -> None:
    """Raise ResidencyError when something sensitive is on its way to the cloud."""
    columns = sensitive()
    if not columns:
        return
    places = [settings.model_store, settings.prediction_store]
    if _chosen() != HOME or any(map(_in_cloud, places)):
        raise ResidencyError(
            f"{', '.join(columns)}: sensitive, and {PATH} or deploy/stores.env sends what is made "
            "from it to the cloud; run use-store again, which sends it home"
        )


def check_sink(name: str, kind: str, own: bool, url: str = "") -> None:
    """Raise ResidencyError when predictions for sensitive data would go where the cloud may be.

    Warehouses, buckets of Google and Azure and that of the remote always are in it.
    """
    columns = sensitive()
    public = kind == "warehouse" or url.startswith(("gs://", "az://")) or _in_cloud(url)
    if not columns or (own and not public):
        return
    way_out = "" if public else "; if not, say `own: true` there"
    raise ResidencyError(
        f"{', '.join(columns)}: sensitive, and predictions from it stay on own machines, while "
        f"sinks.{name} of params.yaml may be in the cloud{way_out}"
    )


def mark(tracked: Path = Path("data/landing.dvc")) -> None:
    """Let what has landed go to the same remote, also when a push names another one."""
    from ruamel.yaml import YAML

    yaml_file = YAML()
    content = yaml_file.load(tracked)
    for out in content["outs"]:
        out["remote"] = _chosen()
    yaml_file.dump(content, tracked)


def _chosen() -> str:
    said = yaml.safe_load("\n".join(_lines())) or {}
    return str(said.get("remote"))


def _in_cloud(place: object) -> bool:
    """Whether a place is in the bucket that the remote of the cloud is in."""
    config = ConfigParser(interpolation=None)
    config.read(".dvc/config", encoding="utf-8")
    url = config.get(f"'remote \"{CLOUD}\"'", "url", fallback="")
    bucket = "/".join(url.replace("azure://", "az://", 1).split("/")[:3])
    return "://" in bucket and f"{place}/".startswith(f"{bucket}/")


def _lines() -> list[str]:
    return PATH.read_text(encoding="utf-8").splitlines() if PATH.exists() else []
