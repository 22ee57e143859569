"""Refuses a contract that nobody owns, or of which no reader is named."""

import sys
from pathlib import Path
from typing import Any

import yaml

FILE = Path("contracts/consumers.yaml")


def main() -> None:
    contracts = {path.name.removesuffix(".odcs.yaml") for path in FILE.parent.glob("*.odcs.yaml")}
    if problems := about(contracts, read()):
        sys.exit("\n".join(f"{FILE}: {problem}" for problem in problems))


def read() -> dict[str, Any]:
    try:
        content = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    except FileNotFoundError:
        sys.exit(f"{FILE} is missing: it names the owner and the readers of each contract")
    except yaml.YAMLError as error:
        sys.exit(f"{FILE} is no YAML: {' '.join(str(error).split())}")
    if not isinstance(content, dict):
        sys.exit(f"{FILE} must have an entry for each contract")
    return content


def about(contracts: set[str], named: dict[str, Any]) -> list[str]:
    """What is wrong with the entries, one line each."""
    problems = [
        f"{name} has no contract, contracts/{name}.odcs.yaml"
        for name in named
        if name not in contracts
    ]
    for name in sorted(contracts):
        entry = named.get(name)
        if not isinstance(entry, dict):
            problems.append(f"{name} is not there: who owns it, and who reads it?")
            continue
        if not is_text(entry.get("owner")):
            problems.append(f"{name} has no owner")
        consumers = entry.get("consumers")
        if not isinstance(consumers, list) or not consumers:
            problems.append(f"{name} has no consumers: at least one must be named")
        elif not all(isinstance(one, dict) and is_text(one.get("name")) for one in consumers):
            problems.append(f"{name} has a consumer without a name")
    return problems


def is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


if __name__ == "__main__":
    main()
