"""Fill the model card and the data card with the figures of the run that made the champion."""

import json
import re
from pathlib import Path
from typing import Any

from .params import Params
from .settings import REPORTS

BLOCK = re.compile(r"(<!-- run:begin -->\n).*?(<!-- run:end -->)", re.DOTALL)


def fill(params: Params, verdict: dict[str, Any], commit: str) -> None:
    """Replace the run's block in both cards; a card without one is left alone."""
    quality = json.loads((REPORTS / "quality.json").read_text(encoding="utf-8"))
    _replace(Path("docs/model_card.md"), _model_block(params, verdict, commit))
    _replace(Path("docs/data_card.md"), _data_block(quality))


def _replace(path: Path, block: str) -> None:
    if path.exists():
        text = path.read_text(encoding="utf-8")
        filled = BLOCK.sub(lambda found: f"{found[1]}{block}\n{found[2]}", text)
        path.write_text(filled, encoding="utf-8")


def _model_block(params: Params, verdict: dict[str, Any], commit: str) -> str:
    facts = {
        "Model": f"`{verdict['model']}`",
        "Task": params.task,
        "Commit": f"`{commit}`",
        "Data": f"`{verdict['data']}`",
        "Contract": f"`{verdict['contract']}`",
    }
    metrics = {name: _figure(value) for name, value in verdict["metrics"].items()}
    checks = [
        f"- {'passed' if check['passed'] else 'FAILED'}: {check['name']}. {check['detail']}"
        for check in verdict["checks"]
    ]
    return "\n\n".join(
        [_table("Fact", "Value", facts), _table("On test", "Value", metrics), "\n".join(checks)]
    )


def _data_block(quality: dict[str, Any]) -> str:
    facts = {
        "Rows": f"{quality['rows']:,}",
        "In quarantine": f"{quality['quarantined']:,}",
        "Contract": f"{quality['dataset']} {quality['contract_version']}",
    }
    broken = {
        f"`{rule['column']}`: {rule['rule']} ({rule['severity']})": f"{rule['failed']:,}"
        for rule in quality["rules"]
        if rule["failed"]
    }
    missing = {f"`{name}`": f"{count:,}" for name, count in quality["missing"].items() if count}
    parts = [_table("Fact", "Value", facts)]
    parts += [_table("Broken rule", "Rows", broken)] if broken else []
    parts += [_table("Column with missing values", "Rows", missing)] if missing else []
    return "\n\n".join(parts)


def _table(left: str, right: str, rows: dict[str, str]) -> str:
    lines = [f"| {left} | {right} |", "| --- | --- |"]
    return "\n".join(lines + [f"| {key} | {value} |" for key, value in rows.items()])


def _figure(value: Any) -> str:
    """A number, or a number with its interval."""
    if isinstance(value, dict):
        return f"{value['value']:.4g} [{value['low']:.4g}, {value['high']:.4g}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
