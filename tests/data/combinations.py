"""Which clouds and sources run together: all of each, in seven projects. `CHOSEN` is a seeded part.

DAYONE_FULL=1        all, as `nox -s full` does
DAYONE_DATA_SEED=7   other ones
"""

import os
import random
from typing import NamedTuple

import pytest

EVERYTHING = "DAYONE_FULL" in os.environ
SEED = int(os.environ.get("DAYONE_DATA_SEED", "21"))
SAMPLE = 3


class Combination(NamedTuple):
    """What is answered, where the project keeps what it makes, and where each dataset comes from.

    `labels` are what predictions are compared with, `carriers` a table that is joined to flights.
    """

    answers: tuple[str, ...]
    store: str
    sources: dict[str, str]

    @property
    def hybrid(self) -> bool:
        return "cloud=hybrid" in self.answers


COMBINATIONS = {
    "aws-bucket": Combination(
        ("cloud=aws", "data_sources=object_store"), "aws", {"flights": "object_store"}
    ),
    "own-stream": Combination(
        ("cloud=onprem", "data_sources=stream"), "speaks_s3", {"flights": "stream"}
    ),
    "gcp-sql": Combination(
        ("cloud=gcp", "data_sources=sql"), "gcp", {"flights": "postgres", "carriers": "postgres"}
    ),
    "azure-rest": Combination(
        ("cloud=azure", "data_sources=rest,files"), "azure", {"flights": "rest", "labels": "files"}
    ),
    "hybrid-files-sql": Combination(
        ("cloud=hybrid", "public_cloud=aws", "data_sources=files,sql"),
        "aws",
        {"flights": "mariadb", "carriers": "files"},
    ),
    "gcp-bigquery": Combination(
        ("cloud=gcp", "data_sources=warehouse", "warehouse=bigquery"),
        "gcp",
        {"flights": "bigquery"},
    ),
    "own-snowflake": Combination(
        ("cloud=onprem", "data_sources=warehouse", "warehouse=snowflake"),
        "folder",
        {"flights": "snowflake"},
    ),
}


def chosen() -> list[str]:
    """Hybrid is always among them."""
    if EVERYTHING:
        return list(COMBINATIONS)
    always = [name for name, one in COMBINATIONS.items() if one.hybrid]
    others = [name for name in COMBINATIONS if name not in always]
    drawn = random.Random(SEED).sample(others, SAMPLE - len(always))  # noqa: S311
    return [name for name in COMBINATIONS if name in (*always, *drawn)]


CHOSEN = [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in chosen()]
