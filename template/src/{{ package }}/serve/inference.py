"""The Open Inference Protocol v2: the same rows, sent and answered as tensors."""

import json
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from ..contract import Column
from ..errors import ProjectError
from ..schema import MAX_NAME, MAX_TEXT, RowError, repeated_key
from .champion import Served
from .service import Answer

# The first datatype is the one that the metadata names.
DATATYPES = {
    "string": ("BYTES",),
    "date": ("BYTES",),
    "timestamp": ("BYTES",),
    "boolean": ("BOOL",),
    "integer": ("INT64", "FP64", "FP32"),
    "number": ("FP64", "FP32", "INT64"),
}


class InferenceError(ProjectError):
    """The request is not one that this model can answer."""


Name = Annotated[str, Field(max_length=MAX_TEXT)]
Length = Annotated[int, Field(ge=0, lt=2**31)]


class Tensor(BaseModel):
    name: Name
    datatype: Name
    shape: list[Length] = Field(min_length=1, max_length=2)
    data: list[Any]


class Requested(BaseModel):
    name: Name


class InferenceRequest(BaseModel):
    """One tensor per input column, of shape [n] or [n, 1]; null is a missing value."""

    id: str | None = Field(None, max_length=64)
    inputs: list[Tensor] = Field(min_length=1)
    outputs: list[Requested] | None = None


def parse(body: bytes) -> InferenceRequest:
    try:
        request = InferenceRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "body"
        raise InferenceError(f"{where}: {first['msg']}") from None
    if (name := repeated_key(body)) is not None:
        raise InferenceError(f"{name[:MAX_NAME]}: the same object has this field more than once")
    return request


def rows(request: InferenceRequest, served: Served) -> list[dict[str, Any]]:
    """Checked rows; raise InferenceError for a wrong tensor, RowError for a wrong value."""
    columns = {column.name: column for column in served.schema.columns}
    data: dict[str, list[Any]] = {}
    for tensor in request.inputs:
        if tensor.name not in columns or tensor.name in data:
            raise InferenceError(f"tensor {tensor.name!r} is not an input, or is there twice")
        data[tensor.name] = _values(tensor, columns[tensor.name])
    lengths = {len(values) for values in data.values()}
    if len(lengths) > 1 or 0 in lengths:
        raise InferenceError(f"tensors must have one length of at least 1, not {sorted(lengths)}")
    checked = []
    for number, values in enumerate(zip(*data.values(), strict=True)):
        try:
            checked.append(served.schema.check(dict(zip(data, values, strict=True))))
        except RowError as error:
            raise RowError(error.problems, number) from None
    return checked


def _values(tensor: Tensor, column: Column) -> list[Any]:
    if tensor.datatype not in DATATYPES[column.type]:
        wanted = " or ".join(DATATYPES[column.type])
        raise InferenceError(f"tensor {tensor.name!r} must be {wanted}, not {tensor.datatype}")
    data = tensor.data
    if len(tensor.shape) == 2 and all(isinstance(item, list) and len(item) == 1 for item in data):
        data = [item[0] for item in data]
    if tensor.shape not in ([len(data)], [len(data), 1]):
        raise InferenceError(
            f"tensor {tensor.name!r} has {len(data)} values for the shape {tensor.shape}"
        )
    return data


def wanted(request: InferenceRequest, served: Served) -> list[str]:
    """The names of the outputs that were asked for: all of them if none was named."""
    there = [tensor["name"] for tensor in _outputs(served, -1)]
    names = [item.name for item in request.outputs or []] or there
    if unknown := [name for name in names if name not in there]:
        raise InferenceError(f"there is no output {', '.join(map(repr, unknown))}")
    return names


def response(
    request: InferenceRequest, served: Served, answer: Answer, names: list[str]
) -> dict[str, Any]:
    data = {"prediction": answer.predictions, "probabilities": answer.output.ravel().tolist()}
    outputs = {tensor["name"]: tensor for tensor in _outputs(served, len(answer.predictions))}
    return {
        "model_name": served.model.info.name,
        "model_version": served.model.digest,
        **({"id": request.id} if request.id is not None else {}),
        "outputs": [{**outputs[name], "data": data[name]} for name in names],
    }


def metadata(served: Served) -> dict[str, Any]:
    return {
        "name": served.model.info.name,
        "versions": [served.model.digest],
        "platform": "onnxruntime_onnx",
        "inputs": [
            {"name": column.name, "datatype": DATATYPES[column.type][0], "shape": [-1]}
            for column in served.schema.columns
        ],
        "outputs": _outputs(served, -1),
    }


def _outputs(served: Served, rows: int) -> list[dict[str, Any]]:
    info = served.model.info
    if info.task == "regression":
        return [{"name": "prediction", "datatype": "FP64", "shape": [rows]}]
    kinds = {bool: "BOOL", int: "INT64", str: "BYTES"}
    return [
        {"name": "prediction", "datatype": kinds[type(info.classes[0])], "shape": [rows]},
        {
            "name": "probabilities",
            "datatype": "FP64",
            "shape": [rows, len(info.classes)],
            "parameters": {"classes": json.dumps(info.classes, ensure_ascii=False)},
        },
    ]
