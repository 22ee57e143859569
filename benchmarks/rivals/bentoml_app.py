"""The project's features and model behind BentoML: `bentoml serve bentoml_app:Predict`.

MODEL in the environment is the model's folder.
"""

import os
from pathlib import Path
from typing import Any

import bentoml
from my_poc.columns import from_rows
from my_poc.model import Model
from my_poc.schema import RowSchema


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Predict:
    def __init__(self) -> None:
        self.model = Model(Path(os.environ["MODEL"]))
        self.schema = RowSchema(self.model.contract, {})

    @bentoml.api(route="/predict")
    def predict(self, row: dict[str, Any]) -> dict[str, float]:
        checked = self.schema.check(row)
        output = self.model.predict(from_rows([checked], self.model.contract.inputs))
        return {"probability": float(output[0, 1])}
