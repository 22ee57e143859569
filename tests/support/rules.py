"""A project's alert rules: what is in them, whether unit tests prove it, and broken copies."""

import ast
import copy
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

# In an expression: a comparison with a number, as `> 14.4 * 0.005`.
COMPARISON = re.compile(r"(==|!=|>=|<=|>|<) (\d+(?:\.\d+)?)")
FLIPPED = {"==": "!=", "!=": "==", ">": "<", "<": ">", ">=": "<", "<=": ">"}
OPERAND = re.compile(r"^ *(?:and|or|unless) .+$", re.M)
WORDS = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?! *\()")
# Parts of an expression that are no metric: texts, selectors, ranges, lists of labels, words.
SELECTOR = re.compile(r"\{[^{}]*\}|\[[^\]]*\]")
LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "on", "d", "h", "m", "s", "w"}
OF_PROMETHEUS = {"up", "ALERTS"}
BY_NAME = re.compile(r'__name__=~"([^"]+)"')


class Ran(NamedTuple):
    ok: bool
    said: str


def run(*command: str | Path, cwd: Path) -> Ran:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return Ran(done.returncode == 0, done.stdout + done.stderr)


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def rules(project: Path) -> list[dict[str, Any]]:
    """Every rule of the project, those that record included."""
    files = sorted((project / "monitoring/rules").glob("*.yml"))
    return [rule for file in files for group in read(file)["groups"] for rule in group["rules"]]


def alerts(project: Path) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules(project) if "alert" in rule}


def recorded(project: Path) -> set[str]:
    return {rule["record"] for rule in rules(project) if "record" in rule}


def metrics(expression: str) -> set[str]:
    """The names of the metrics that an expression reads."""
    named = {name for found in BY_NAME.findall(expression) for name in found.split("|")}
    rest = LABELS.sub(" ", SELECTOR.sub(" ", expression))
    rest = re.sub(r"offset \w+", " ", rest)
    return named | {word for word in WORDS.findall(rest) if word not in KEYWORDS}


def made(project: Path) -> set[str]:
    """What metrics can be: of Prometheus, recorded, or a text of the package; without suffixes."""
    return {*OF_PROMETHEUS, *recorded(project)} | {
        base(node.value)
        for path in (project / "src").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def read_metrics(project: Path) -> set[str]:
    """What rules and dashboards read of the project's own processes, recorded metrics left out.

    They are base names, as those of `Watched.families`.
    """
    asked = [rule["expr"] for rule in rules(project)]
    for path in (project / "monitoring/grafana/dashboards").glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        asked += [
            target["expr"] for panel in content["panels"] for target in panel.get("targets", [])
        ]
    named = {name for query in asked for name in metrics(query)}
    return {base(name) for name in named - {*OF_PROMETHEUS, *recorded(project)}}


def base(name: str) -> str:
    """The name that the package gives it."""
    return re.sub(r"_(total|bucket|count|sum)$", "", name)


def cases(project: Path) -> Iterator[tuple[str, bool]]:
    """Name and outcome, firing or not, of every case in the unit tests."""
    for file in sorted((project / "monitoring/tests").glob("*.yml")):
        for test in read(file).get("tests") or []:
            for case in test["alert_rule_test"]:
                yield case["alertname"], bool(case["exp_alerts"])


def unproved(project: Path) -> set[str]:
    """The alerts that no unit test sees firing."""
    return set(alerts(project)) - {name for name, fires in cases(project) if fires}


def test_rules(monitoring: Path) -> Ran:
    files = sorted(path.name for path in (monitoring / "tests").glob("*.yml"))
    return run("promtool", "test", "rules", *files, cwd=monitoring / "tests")


def only(project: Path, alert: str, folder: Path) -> Path:
    """A copy of monitoring/ with one alert, what is recorded for it, and its tests."""
    shutil.copytree(project / "monitoring", folder)
    wanted = {alert, *metrics(alerts(project)[alert]["expr"])}
    for path in folder.glob("rules/*.yml"):
        groups = read(path)["groups"]
        for group in groups:
            group["rules"] = [
                rule for rule in group["rules"] if rule.get("alert", rule.get("record")) in wanted
            ]
        _write(path, {"groups": groups})
    for path in folder.glob("tests/*.yml"):
        content = read(path)
        for test in content["tests"]:
            test["alert_rule_test"] = [
                case for case in test["alert_rule_test"] if case["alertname"] == alert
            ]
        content["tests"] = [test for test in content["tests"] if test["alert_rule_test"]]
        _write(path, content)
        if not content["tests"]:
            path.unlink()
    return folder


def _write(path: Path, content: Any) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def replace(monitoring: Path, which: dict[str, str], rule: dict[str, Any]) -> None:
    """Put `rule` in the place of the one that is named by `alert` or `record`."""
    for path in monitoring.glob("rules/*.yml"):
        content = read(path)
        for group in content["groups"]:
            group["rules"] = [
                rule if which.items() <= one.items() else one for one in group["rules"]
            ]
        _write(path, content)


def mutants(rule: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Broken copies of a rule, each with what was done to it."""

    def changed(what: str, **fields: Any) -> tuple[str, dict[str, Any]]:
        return what, {**copy.deepcopy(rule), **fields}

    expression = rule["expr"]
    yield changed("never", expr="vector(0) == 1")
    for found in COMPARISON.finditer(expression):
        for text in _other_comparisons(found[1], float(found[2])):
            yield changed(
                f"{found[0]} → {text}",
                expr=expression[: found.start()] + text + expression[found.end() :],
            )
    for found in OPERAND.finditer(expression):
        rest = expression[: found.start()] + expression[found.end() :]
        if rest.strip():
            yield changed(f"without {found[0].strip()}", expr=rest)
    if "for" in rule:
        number, unit = re.fullmatch(r"(\d+)(\w)", rule["for"]).groups()  # type: ignore[union-attr]
        yield changed("for twice as long", **{"for": f"{2 * int(number)}{unit}"})
        yield changed("for no time", **{"for": "0s"})
    labels = rule["labels"]
    yield changed("other severity", labels={**labels, "severity": "other"})
    yield changed("no description", annotations={**rule["annotations"], "description": ""})


def _other_comparisons(operator: str, limit: float) -> Iterator[str]:
    yield f"{FLIPPED[operator]} {limit}"
    if operator in ("==", "!="):
        yield f"{operator} {1 - limit}"
    elif limit == 0:
        yield f"{operator} 1e9"
        yield f"{operator} -1e9"
    else:
        yield f"{operator} {limit * 2}"
        yield f"{operator} {limit / 2}"
