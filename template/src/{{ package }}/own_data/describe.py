"""Write down, as a contract, what was inferred about a table, for a person to correct."""

from typing import Any

import polars as pl

from ..params import Task
from .infer import Roles, limits, logical_type, looks_like_id

HEADER = """\
# Inferred from the table. Correct it: what each column means, when it is known (knownAt), which
# limits are errors, and which columns are sensitive (classification). What is known only after the
# moment of prediction must not be a feature: set its mlRole to forbidden.
"""


def contract(
    table: pl.DataFrame, dataset: str, roles: Roles, task: Task, owner: str
) -> dict[str, Any]:
    """An Open Data Contract Standard document; every inferred limit is a warning."""
    return {
        "apiVersion": "v3.1.0",
        "kind": "DataContract",
        "id": dataset,
        "name": dataset,
        "version": "0.1.0",
        "status": "draft",
        "description": {"purpose": f"Predict {roles.target} ({task})."},
        "team": {"name": owner},
        "customProperties": [
            {"property": "moments", "value": ["prediction", "outcome"]},
            {"property": "predictedAt", "value": "prediction"},
        ],
        "schema": [
            {
                "name": dataset,
                "logicalType": "object",
                "physicalType": "table",
                "properties": [_property(table[name], roles) for name in table.columns],
            }
        ],
    }


def role(values: pl.Series, roles: Roles) -> str:
    named = {roles.target: "target", roles.time: "time", roles.id: "id"}
    if values.name in named:
        return named[values.name]
    empty = values.null_count() == values.len()
    return "forbidden" if empty or looks_like_id(values) else "feature"


def _property(values: pl.Series, roles: Roles) -> dict[str, Any]:
    kind, ml_role = logical_type(values), role(values, roles)
    item: dict[str, Any] = {"name": values.name, "logicalType": kind}
    if ml_role in ("time", "id"):
        item["required"] = True
    if ml_role == "id":
        item["unique"] = True
    arguments = limits(values) if ml_role == "feature" else None
    if arguments:
        item["quality"] = [
            {
                "name": "values" if "validValues" in arguments else "range",
                "metric": "invalidValues",
                "arguments": arguments,
                "mustBe": 0,
                "severity": "warning",
            }
        ]
    known_at = "outcome" if ml_role in ("target", "forbidden") else "prediction"
    item["customProperties"] = [
        {"property": "mlRole", "value": ml_role},
        {"property": "knownAt", "value": known_at},
    ]
    return item
