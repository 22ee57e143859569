"""The committed samples, one for each dataset, and what sql/training.sql makes of them."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from . import contract as contracts
from . import datasets, params, prepare, validate
from .errors import ProjectError

SAMPLES = Path("data/sample")


class SampleError(ProjectError):
    """A dataset has no sample."""


def path(dataset: str) -> Path:
    return SAMPLES / f"{dataset}.parquet"


def read(dataset: str) -> pl.DataFrame:
    """The sample of a dataset, as it would land; raise SampleError when there is none."""
    try:
        return pl.read_parquet(path(dataset))
    except FileNotFoundError:
        raise SampleError(
            f"{path(dataset)} does not exist: commit a few rows of {dataset} there, so that tests "
            "and notebooks need no source"
        ) from None


def training_table() -> pl.DataFrame:
    """The training table of the samples' rows that keep their contracts."""
    project = params.load()
    contract = contracts.load(project.contract_path)
    with TemporaryDirectory() as folder:
        for dataset in (contract.landed, *datasets.beside(project)):
            checked = validate.check(read(dataset.name), dataset)
            checked.valid.write_parquet(Path(folder) / f"{dataset.name}.parquet")
        table = Path(folder) / "table"
        prepare.training_table(prepare.SQL, Path(folder), contract, table)
        return pl.read_parquet(table)
