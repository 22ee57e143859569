"""Mirror what is registered in MLflow, for people to compare runs and to find versions."""

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from .errors import ProjectError
from .model import Model
from .params import Params
from .settings import (
    LANDING,
    MODEL_NAME,
    REPORTS,
    Settings,
)

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
# A server that does not answer is given up after seconds, not after ten minutes.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")

from mlflow import MlflowClient, MlflowException
from mlflow.entities import Metric, Param
from mlflow.types import Schema, TensorSpec

for chatty in ("mlflow", "alembic"):
    logging.getLogger(chatty).setLevel(logging.WARNING)


class TrackingError(ProjectError):
    """MLflow cannot be reached, or does not take what it is given."""


def record(
    model: Model,
    verdict: dict[str, Any],
    params: Params,
    settings: Settings,
    *,
    commit: str,
    dirty: list[str],
) -> str:
    """Write one run and one model version; return the version's number.

    Raises TrackingError when MLflow does not take it.
    """
    try:
        return _record(model, verdict, params, settings, commit, dirty)
    except MlflowException as error:
        raise TrackingError(f"MLflow at {settings.mlflow_tracking_uri}: {error}") from None


def _record(
    model: Model,
    verdict: dict[str, Any],
    params: Params,
    settings: Settings,
    commit: str,
    dirty: list[str],
) -> str:
    client = _client(settings)
    tags = {
        "commit": commit,
        "dirty": ", ".join(dirty),
        "model": verdict["model"],
        "data": verdict["data"],
        "contract": verdict["contract"],
        "contract_version": model.contract.version,
        "passed": str(verdict["passed"]).lower(),
    }
    experiment = _experiment(client, settings)
    run = client.create_run(experiment, run_name=verdict["model"][:12], tags=tags)
    run_id = run.info.run_id
    client.log_batch(
        run_id,
        params=[Param(key, str(value)) for key, value in _flat(params.model_dump()).items()],
        metrics=[Metric(key, value, 0, 0) for key, value in _numbers(verdict["metrics"]).items()],
    )
    with tempfile.TemporaryDirectory() as folder:
        _mlflow_model(model, Path(folder))
        client.log_artifacts(run_id, folder, "model")
    client.log_artifact(run_id, str(REPORTS / "report.html"))
    # With these and the commit, `dvc pull` gets the data of this run back.
    for path in (Path("dvc.lock"), LANDING.with_suffix(".dvc")):
        if path.exists():
            client.log_artifact(run_id, str(path), str(Path("dvc") / path.parent))
    client.set_terminated(run_id)

    version = client.create_model_version(
        MODEL_NAME, source=f"{run.info.artifact_uri}/model", run_id=run_id, tags=tags
    ).version
    return str(version)


def point(settings: Settings, alias: str, digest: str) -> str:
    """Let an alias name the newest version of this model; return what hindered it, if anything."""
    try:
        client = _client(settings)
        versions = client.search_model_versions(
            f"name = '{MODEL_NAME}' AND tags.model = '{digest}'",
            max_results=1,
            order_by=["version_number DESC"],
        )
        if not versions:
            return f"MLflow has no version of model {digest[:12]}: its alias stays where it was"
        client.set_registered_model_alias(MODEL_NAME, alias, versions[0].version)
    except MlflowException as error:
        return f"MLflow's alias {alias} stays where it was: {error}"
    return ""


def _client(settings: Settings) -> MlflowClient:
    uri = settings.mlflow_tracking_uri
    if uri.startswith("sqlite:///"):  # makes its file, but no folder for it
        Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    return MlflowClient(uri, uri)


def _experiment(client: MlflowClient, settings: Settings) -> str:
    try:
        client.create_registered_model(MODEL_NAME)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    experiment = client.get_experiment_by_name(MODEL_NAME)
    if experiment is not None:
        return str(experiment.experiment_id)
    return str(client.create_experiment(MODEL_NAME, settings.mlflow_artifacts.absolute().as_uri()))


def _mlflow_model(model: Model, folder: Path) -> None:
    """An MLflow model of the ONNX flavour, with the signature of the graph."""
    (folder / "model.onnx").write_bytes((model.folder / "model.onnx").read_bytes())
    inputs = Schema([TensorSpec(np.dtype(np.float32), (-1, len(model.info.features)), "features")])
    width = len(model.info.classes) or 1
    outputs = Schema([TensorSpec(np.dtype(np.float32), (-1, width))])
    description = {
        "flavors": {"onnx": {"data": "model.onnx"}},
        "signature": {"inputs": inputs.to_json(), "outputs": outputs.to_json()},
        "metadata": {"features": model.info.features},
    }
    (folder / "MLmodel").write_text(yaml.safe_dump(description), encoding="utf-8")


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    flat = _flat(metrics)
    return {key: float(value) for key, value in flat.items() if isinstance(value, int | float)}
