"""Lineage: what each step read and wrote, as OpenLineage events.

They are lines of var/lineage.jsonl, or go to the server at OPENLINEAGE_URL. A step never fails
because nobody takes its events.
"""

import json
import urllib.request
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPException
from typing import Any

import click

from .settings import MODEL_NAME, Settings

PRODUCER = f"urn:project:{MODEL_NAME}"
SPEC = "https://openlineage.io/spec"
EVENT = f"{SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent"
ERROR = f"{SPEC}/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet"
ROWS = (
    f"{SPEC}/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json"
    "#/$defs/OutputStatisticsOutputDatasetFacet"
)
ENDPOINT = "/api/v1/lineage"
TIMEOUT = 5


@dataclass(frozen=True)
class Place:
    """What is read or written: a file or folder of the project, or a dataset of a source."""

    name: str
    namespace: str = MODEL_NAME


@dataclass
class Run:
    """One run of a step. It may add what it reads and writes, and ``rows`` by written name."""

    step: str
    inputs: list[Place]
    outputs: list[Place]
    rows: dict[str, int] = field(default_factory=dict)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def event(self, type: str, problem: str | None = None) -> dict[str, Any]:
        error = {"message": problem, "programmingLanguage": "Python"}
        return {
            "eventType": type,
            "eventTime": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "run": {
                "runId": self.id,
                "facets": {"errorMessage": _facet(ERROR, error)} if problem else {},
            },
            "job": {"namespace": MODEL_NAME, "name": self.step},
            "inputs": [{"namespace": at.namespace, "name": at.name} for at in self.inputs],
            "outputs": [self._output(place) for place in self.outputs],
            "producer": PRODUCER,
            "schemaURL": EVENT,
        }

    def _output(self, place: Place) -> dict[str, Any]:
        output: dict[str, Any] = {"namespace": place.namespace, "name": place.name}
        if place.name in self.rows:
            counted = _facet(ROWS, {"rowCount": self.rows[place.name]})
            output["outputFacets"] = {"outputStatistics": counted}
        return output


def _facet(schema: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": schema, **content}


@contextmanager
def step(name: str, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> Iterator[Run]:
    """Tell that a step starts, and that it is complete or failed."""
    run = Run(name, [Place(path) for path in inputs], [Place(path) for path in outputs])
    settings = Settings()
    _emit(run.event("START"), settings)
    try:
        yield run
    except BaseException as error:
        _emit(run.event("FAIL", _problem(error)), settings)
        raise
    _emit(run.event("COMPLETE"), settings)


def _problem(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"exit code {error.code}"
    return str(error) or type(error).__name__


def _emit(event: dict[str, Any], settings: Settings) -> None:
    text = json.dumps(event)
    try:
        if settings.openlineage_url:
            _post(text, settings)
            return
    except (OSError, ValueError, HTTPException) as error:
        click.secho(
            f"lineage goes to {settings.lineage}, not to OPENLINEAGE_URL: {error}",
            fg="yellow",
            err=True,
        )
    try:
        settings.lineage.parent.mkdir(parents=True, exist_ok=True)
        with settings.lineage.open("a", encoding="utf-8") as file:
            file.write(text + "\n")
    except OSError as error:
        click.secho(f"no lineage, {settings.lineage}: {error}", fg="yellow", err=True)


def _post(text: str, settings: Settings) -> None:
    key = settings.openlineage_api_key
    headers = {"Content-Type": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key.get_secret_value()}"
    url = str(settings.openlineage_url).rstrip("/") + ENDPOINT
    request = urllib.request.Request(url, text.encode(), headers)
    with urllib.request.urlopen(request, timeout=TIMEOUT):
        pass
