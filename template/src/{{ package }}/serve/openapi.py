"""The interface as OpenAPI: the routes, with the inputs of the model that serves."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

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


def document(app: FastAPI, served: Served | None) -> dict[str, Any]:
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
        operation["responses"]["413"] = {"description": "The body is too long"}
        operation["responses"]["503"] = {"description": "No model serves yet"}
    return content


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": _json(schema)}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
