"""What the service says about itself: OpenAPI for programs, and one page for a person."""

import json
import shlex
from html import escape
from string import Template
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from ..contract import Column
from ..settings import MODEL_NAME
from .champion import Served
from .inference import InferenceRequest

ANSWER: dict[str, Any] = {
    "type": "object",
    "required": ["request_id", "prediction", "model"],
    "properties": {
        "request_id": {"type": "string"},
        "prediction": {"description": "The class, or the value"},
        "probability": {"type": "number", "description": "Of the positive class"},
        "probabilities": {"type": "object", "additionalProperties": {"type": "number"}},
        "model": {"type": "string", "description": "The sha256 of the model that answered"},
    },
}
PROBLEMS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "detail": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "loc": {"type": "array", "items": {"type": "string"}},
                    "type": {"type": "string"},
                    "msg": {"type": "string"},
                },
            },
        }
    },
}

NOT_NOW = "No model serves yet, or too many requests came at once"
READINESS = ("/readyz", "/v2/health/ready")

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 56rem; margin: auto; padding: 1rem }
pre { background: #f2f2f2; padding: 1rem; white-space: pre-wrap; overflow-wrap: anywhere }
td, th { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
</style>
</head>
<body>
<h1>$title</h1>
$content
<p><a href="openapi.json">openapi.json</a> · <a href="readyz">readyz</a> ·
<a href="metrics">metrics</a></p>
</body>
</html>
""")
NOT_READY = Template("<p>No model serves yet: run <code>$name register</code>.</p>")
READY = Template("""<p>Predicts <b>$target</b>$description with the model <code>$digest</code>
under version $version of the contract $contract.</p>
<pre>$command</pre>
<table>
<tr><th>input</th><th>type</th><th></th><th>meaning</th></tr>
$rows
</table>""")


def openapi(app: FastAPI, served: Served | None) -> dict[str, Any]:
    version = served.model.contract.version if served else "0"
    content = get_openapi(title=app.title, version=version, routes=app.routes)
    paths = content["paths"]
    row = served.schema.json_schema() if served else {"type": "object"}
    predict = paths["/predict"]["post"]
    predict["requestBody"] = _body(row)
    predict["responses"]["200"]["content"] = _json(ANSWER)
    predict["responses"]["422"] = {
        "description": "The contract does not allow this row",
        "content": _json(PROBLEMS),
    }
    infer = paths["/v2/models/{name}/infer"]["post"]
    schema = InferenceRequest.model_json_schema(ref_template="#/components/schemas/{model}")
    content.setdefault("components", {}).setdefault("schemas", {}).update(schema.pop("$defs"))
    infer["requestBody"] = _body(schema)
    for operation in (predict, infer):
        operation["responses"] |= {
            "408": {"description": "The body did not come in time"},
            "413": {"description": "The body is too long"},
            "503": {"description": NOT_NOW},
        }
    infer["responses"]["400"] = {"description": "The model cannot answer this request"}
    for path, operations in paths.items():
        for operation in operations.values():
            operation["responses"] |= _refusals(path, operation)
    return content


def _refusals(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    refusals = {}
    if "security" in operation:
        refusals["401"] = {"description": "The API key is missing or wrong"}
    if "{name}" in path:
        refusals["404"] = {"description": "There is no model of this name"}
    if "{name}" in path or path in READINESS:
        refusals["503"] = {"description": NOT_NOW}
    return refusals


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": _json(schema)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def page(base_url: str, served: Served | None, locked: bool) -> str:
    """One page about the model; ``locked`` when a request needs the API key."""
    content = NOT_READY.substitute(name=escape(MODEL_NAME))
    if served:
        contract = served.model.contract
        target = contract.target
        content = READY.substitute(
            target=escape(target.name),
            description=f" ({escape(target.description)})" if target.description else "",
            digest=served.model.digest[:12],
            version=escape(str(contract.version)),
            contract=escape(contract.name),
            command=escape(_command(base_url, served, locked)),
            rows="\n".join(_table_row(column) for column in served.schema.columns),
        )
    return PAGE.substitute(title=escape(MODEL_NAME), content=content)


def _command(base_url: str, served: Served, locked: bool) -> str:
    row = json.dumps(served.schema.example(), ensure_ascii=False)
    key = '-H "x-api-key: $API_KEY" ' if locked else ""
    return f"curl -H 'content-type: application/json' {key}-d {shlex.quote(row)} {base_url}predict"


def _table_row(column: Column) -> str:
    needed = "required" if column.required and column.role != "id" else ""
    cells = (column.name, column.type, needed, column.description)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
