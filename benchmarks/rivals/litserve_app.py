"""The project's features and model behind LitServe: `python litserve_app.py MODEL PORT`."""

import sys
from pathlib import Path
from typing import Any

import litserve
import numpy as np
from my_poc.columns import from_rows
from my_poc.model import Model
from my_poc.schema import RowSchema
from numpy.typing import NDArray


class Predict(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = Model(Path(sys.argv[1]))
        self.schema = RowSchema(self.model.contract, {})

    def decode_request(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.schema.check(request)

    def predict(self, row: dict[str, Any]) -> NDArray[np.float64]:
        return self.model.predict(from_rows([row], self.model.contract.inputs))

    def encode_response(self, output: NDArray[np.float64]) -> dict[str, float]:
        return {"probability": float(output[0, 1])}


if __name__ == "__main__":
    server = litserve.LitServer(Predict(api_path="/predict"), accelerator="cpu")
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[2]),
        num_api_servers=1,
        generate_client_file=False,
        log_level="warning",
    )
