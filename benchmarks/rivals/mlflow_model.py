"""The project's features and model for `mlflow models serve`."""

from pathlib import Path
from typing import Any

import mlflow
from mlflow.models import set_model
from my_poc.columns import from_rows
from my_poc.model import Model
from my_poc.schema import RowSchema


class Predict(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    def load_context(self, context: Any) -> None:
        self.model = Model(Path(context.artifacts["model"]))
        self.schema = RowSchema(self.model.contract, {})

    def predict(self, context: Any, model_input: Any, params: Any = None) -> list[float]:
        rows = [self.schema.check(row) for row in model_input.to_dict("records")]
        output = self.model.predict(from_rows(rows, self.model.contract.inputs))
        return [float(row[1]) for row in output]


set_model(Predict())
