"""A trained model as it is served: an ONNX graph, what it needs to know, and its contract.

A model folder holds model.onnx, model.json, contract.odcs.yaml and background.npy, a sample of the
training features that explanations compare with. Nothing in it is pickled: a model cannot run code.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from . import contract
from .columns import Categories, Columns, matrix
from .features import features
from .params import Task

Label = bool | int | str

# Of more rows, what lies between the features and the output would not fit into memory.
ROWS = 50_000


@dataclass(frozen=True)
class ModelInfo:
    """What model.json says.

    ``classes`` are in the order of the model's probabilities, the positive one last; regression
    has none. A binary model answers with the positive class from ``threshold`` on.
    """

    name: str
    task: Task
    kind: str
    classes: list[Label]
    threshold: float | None
    features: list[str]
    categories: dict[str, list[str]]

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> "ModelInfo":
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    @cached_property
    def codes(self) -> Categories:
        return category_codes(self.categories)


def category_codes(categories: dict[str, list[str]]) -> Categories:
    return {
        name: {level: float(code) for code, level in enumerate(levels)}
        for name, levels in categories.items()
    }


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def features_digest() -> str:
    """The sha256 of the feature code that runs here."""
    return file_digest(Path(__file__).with_name("features.py"))


class OnnxModel:
    """One ONNX graph with the input ``features`` and a single output."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # A plan of the memory is made for one number of rows, and costs time for every other one.
        options.enable_mem_pattern = False
        self._session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        self._outputs = [output.name for output in self._session.get_outputs()]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Class probabilities (n, k), or values (n,), for features (n, f)."""
        if len(features) > ROWS:
            pieces = range(0, len(features), ROWS)
            return np.concatenate([self(features[first : first + ROWS]) for first in pieces])
        (output,) = self._session.run(self._outputs, {"features": features})
        values = np.asarray(output, dtype=np.float64)
        return values if values.shape[1] > 1 else values[:, 0]


class Model:
    """A model folder, loaded."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.folder = folder
        self.info = ModelInfo.read(folder / "model.json")
        self.contract = contract.load(folder / "contract.odcs.yaml")
        self.digest = file_digest(folder / "model.onnx")
        self._onnx = OnnxModel(folder / "model.onnx", threads)

    def features(self, columns: Columns) -> NDArray[np.float32]:
        """The (n, f) matrix of features for n rows of input columns."""
        return matrix(features(columns, self.info.codes))

    def predict_features(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self._onnx(features)

    def predict(self, columns: Columns) -> NDArray[np.float64]:
        """Class probabilities (n, k), or values (n,), for n rows of input columns."""
        return self._onnx(self.features(columns))

    def answers(self, output: NDArray[np.float64]) -> list[Any]:
        """What the model says about each row: a class, or a number."""
        if self.info.task == "regression":
            values: list[float] = output.tolist()
            return values
        if self.info.task == "binary":
            negative, positive = self.info.classes
            limit = self.info.threshold
            return [positive if told >= limit else negative for told in output[:, 1].tolist()]
        return [self.info.classes[index] for index in output.argmax(axis=1).tolist()]
