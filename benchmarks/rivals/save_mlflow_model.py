"""Write what `mlflow models serve` serves: `python save_mlflow_model.py MODEL DEST`."""

import sys
from pathlib import Path

import mlflow

mlflow.pyfunc.save_model(
    sys.argv[2],
    python_model=str(Path(__file__).with_name("mlflow_model.py")),
    artifacts={"model": sys.argv[1]},
    pip_requirements=["mlflow"],
)
