"""Every contract has an owner and a reader, and what is missing is named."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

TOOL = Path(__file__).parent.parent / "tools/consumers.py"
GOOD = {"owner": "@acme/data", "consumers": [{"name": "training"}]}


def check(folder: Path, content: object, expect: int) -> str:
    contracts = folder / "contracts"
    contracts.mkdir()
    (contracts / "orders.odcs.yaml").touch()
    (contracts / "labels.odcs.yaml").touch()
    (contracts / "consumers.yaml").write_text(yaml.safe_dump(content))
    done = subprocess.run(
        [sys.executable, str(TOOL)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == expect, done.stderr
    return done.stderr


def test_named_owners_and_readers_pass(tmp_path: Path) -> None:
    assert check(tmp_path, {"orders": GOOD, "labels": GOOD}, expect=0) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda named: named.pop("orders"), "orders is not there: who owns it"),
        (lambda named: named["orders"].pop("owner"), "orders has no owner"),
        (lambda named: named["orders"].update(owner=" "), "orders has no owner"),
        (lambda named: named["orders"].update(consumers=[]), "orders has no consumers"),
        (
            lambda named: named["orders"].update(consumers=[{"contact": "@bo"}]),
            "orders has a consumer without a name",
        ),
        (lambda named: named.update(churn=GOOD), "churn has no contract"),
    ],
)
def test_what_is_missing_is_named(
    change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path
) -> None:
    named = {"orders": dict(GOOD), "labels": dict(GOOD)}
    change(named)
    [line] = check(tmp_path, named, expect=1).splitlines()
    assert line.startswith(f"contracts/consumers.yaml: {said}")


def test_what_is_no_list_of_contracts_is_refused(tmp_path: Path) -> None:
    assert "must have an entry for each contract" in check(tmp_path, ["orders"], expect=1)
