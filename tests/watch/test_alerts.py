"""Alerts: their unit tests prove each of them, they name what exists, and they arrive."""

import http.server
import json
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import rules as r
from support.monitoring import free_port, hurried, wait_until, watch

SERVICE = {
    "AvailabilityBurnFast", "AvailabilityBurnSlow", "ChampionRefused", "HighErrorRatio",
    "HighLatency", "MemoryGrows", "ModelNotLoaded", "NoPredictions", "PredictionLogLosing",
    "Saturated", "UnknownCategories", "ValidationFailures",
}  # fmt: skip
EVERYWHERE = {
    "FeatureDrifted", "FeaturesDriftedWidely", "HeartbeatLost", "NoLabels", "NothingObserved",
    "ObserveDead", "PredictionsDrifted", "QualityLost", "RetrainFailed", "SliceQualityLost",
    "StaleModel", "TargetDown", "TrainingServingSkew", "Watchdog",
}  # fmt: skip
RETRAIN = {
    "FeatureDrifted", "FeaturesDriftedWidely", "PredictionsDrifted", "QualityLost",
    "SliceQualityLost", "StaleModel", "UnknownCategories",
}  # fmt: skip
SEVERITIES = {"page", "ticket", "none"}
OWNERS = {"service", "model", "data"}
TOKEN = "a secret of the test"  # noqa: S105


@pytest.fixture
def broken(projects: dict[str, Path], tmp_path: Path) -> Path:
    """A project to break."""
    return Path(shutil.copytree(projects["both"], tmp_path / "broken"))


def expected(project: Path) -> set[str]:
    return EVERYWHERE | (SERVICE if project.name != "batch" else set())


# Rules and their unit tests


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "monitoring/prometheus.yml"),
        ("amtool", "check-config", "monitoring/alertmanager.yml"),
    ],
)
def test_their_own_tools_accept_the_settings(command: tuple[str, ...], project: Path) -> None:
    ran = r.run(*command, cwd=project)
    assert ran.ok, ran.said


def test_unit_tests_pass(project: Path) -> None:
    ran = r.test_rules(project / "monitoring")
    assert ran.ok, ran.said


def test_every_alert_is_there_and_seen_firing(project: Path) -> None:
    assert set(r.alerts(project)) == expected(project)
    assert r.unproved(project) == set()


@pytest.mark.parametrize("name", ["service", "model", "monitoring"])
def test_emptied_rules_are_noticed(name: str, broken: Path) -> None:
    (broken / f"monitoring/rules/{name}.yml").write_text("groups: []\n")
    assert set(r.alerts(broken)) < expected(broken)
    assert not r.test_rules(broken / "monitoring").ok


def test_emptied_unit_tests_are_noticed(broken: Path) -> None:
    for path in sorted((broken / "monitoring/tests").glob("*.yml")):
        content = path.read_text()
        path.write_text("tests: []\n")
        assert r.unproved(broken), path.name
        path.write_text(content)


@pytest.mark.parametrize("alert", sorted(SERVICE | EVERYWHERE))
def test_unit_tests_notice_a_broken_alert(
    alert: str, projects: dict[str, Path], tmp_path: Path
) -> None:
    """Every limit halved, doubled, turned round, every condition left out, every wait changed."""
    monitoring = r.only(projects["both"], alert, tmp_path / "monitoring")
    assert r.test_rules(monitoring).ok
    survived = []
    for what, mutant in r.mutants(r.alerts(projects["both"])[alert]):
        r.replace(monitoring, {"alert": alert}, mutant)
        ran = r.test_rules(monitoring)
        assert ran.ok or "exp:" in ran.said, f"{what}: {ran.said}"  # broken, but a rule
        if ran.ok:
            survived.append(what)
    assert survived == []


def test_unit_tests_notice_what_is_recorded_no_more(
    projects: dict[str, Path], tmp_path: Path
) -> None:
    project = projects["both"]
    for number, record in enumerate(sorted(r.recorded(project))):
        readers = [
            name for name, rule in r.alerts(project).items() if record in r.metrics(rule["expr"])
        ]
        assert readers, record
        monitoring = r.only(project, readers[0], tmp_path / str(number))
        r.replace(monitoring, {"record": record}, {"record": "nothing", "expr": "vector(0)"})
        assert not r.test_rules(monitoring).ok, record


# What alerts say


def test_labels_and_annotations_are_complete(project: Path) -> None:
    for name, rule in r.alerts(project).items():
        labels, annotations = rule["labels"], rule["annotations"]
        assert labels["severity"] in SEVERITIES, name
        assert (labels["severity"] == "none") == (name == "Watchdog")
        assert labels["owner"] in OWNERS, name
        assert (labels.get("action") == "retrain") == (name in RETRAIN), name
        assert {"summary", "description", "runbook"} == set(annotations), name


def test_runbook_has_every_heading_that_alerts_name(project: Path) -> None:
    text = (project / "docs/runbook.md").read_text(encoding="utf-8")
    anchors = {anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    for rule in r.alerts(project).values():
        path, _, heading = rule["annotations"]["runbook"].partition("#")
        assert path == "docs/runbook.md"
        assert heading in anchors
    linked = set(re.findall(r"\]\(#([^)]+)\)", text))
    assert linked - anchors == set()
    sections = {anchor(name) for name in SERVICE | EVERYWHERE} & anchors
    assert sections == {anchor(name) for name in expected(project)}


def anchor(heading: str) -> str:
    """As the forges make it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_metric_of_a_rule_is_made_somewhere(project: Path) -> None:
    made = r.made(project)
    for rule in r.rules(project):
        unknown = {name for name in r.metrics(rule["expr"]) if r.base(name) not in made}
        assert unknown == set(), rule


def test_misspelt_metric_is_noticed(projects: dict[str, Path]) -> None:
    assert r.metrics("sum by (job) (rate(http_request_total[5m])) > 1") == {"http_request_total"}
    assert "http_request" not in r.made(projects["both"])


# Where alerts go


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=Watchdog severity=none", "heartbeat"),
        ("alertname=QualityLost severity=page action=retrain", "retrain,people"),
        ("alertname=StaleModel severity=ticket action=retrain", "retrain,people"),
        ("alertname=TargetDown severity=page", "people"),
        ("alertname=YourOwn", "people"),
    ],
)
def test_alerts_are_sent_to(labels: str, receivers: str, project: Path) -> None:
    ran = r.run(
        *("amtool", "config", "routes", "test", "--config.file=monitoring/alertmanager.yml"),
        *labels.split(),
        cwd=project,
    )
    assert ran.said.splitlines()[0] == receivers


def test_inhibition_names_alerts_that_exist(projects: dict[str, Path]) -> None:
    settings = r.read(projects["both"] / "monitoring/alertmanager.yml")
    jobs = r.read(projects["both"] / "monitoring/prometheus.yml")["scrape_configs"]
    known = {*r.alerts(projects["both"]), *(job["job_name"] for job in jobs)}
    for rule in settings["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            pattern = matcher.partition("=")[2].strip('~ "')
            for name in pattern.split("|"):
                assert any(re.fullmatch(name, one) for one in known), matcher


def test_hurry_leaves_no_slow_duration(projects: dict[str, Path]) -> None:
    slow = re.compile(r"\[\d+[smhdw]\]|offset \d+[smhdw]\b|for: \d+[smhdw]$|\* 60\b", re.MULTILINE)
    for path in (projects["both"] / "monitoring").glob("rules/*.yml"):
        text = path.read_text()
        assert slow.search(text)
        assert not slow.search(hurried(text, 3600))


class Listener(http.server.BaseHTTPRequestHandler):
    """A receiver that writes down what it gets."""

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.got.append((self.path, self.headers["authorization"], body))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.metrics.encode())  # type: ignore[attr-defined]

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Any]:
    """An exporter with what its `metrics` say, and a receiver whose calls are in its `got`."""
    server: Any = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    server.got, server.metrics = [], ""
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


OBSERVED = """\
observe_last_success_timestamp_seconds 9e9
model_quality_lost {lost}
slice_skill_high{{column="origin",level="JFK"}} {skill}
"""


def test_alert_arrives_with_the_token_and_resolves(
    projects: dict[str, Path], tmp_path: Path, listener: Any
) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN)
    here = f"127.0.0.1:{listener.server_address[1]}"
    listener.metrics = OBSERVED.format(lost=1, skill=-0.1)
    targets = {"observe": here, "receiver": f"127.0.0.1:{free_port()}"}
    with watch(projects["both"], tmp_path, targets, f"http://{here}", token) as watched:
        alert = watched.wait_for("QualityLost")
        assert alert["labels"]["action"] == "retrain"
        (call,) = wait_until(lambda: calls(listener, "/alerts", "firing"), "the webhook is called")
        assert call["groupLabels"] == {"action": "retrain"}
        assert "QualityLost" in {one["labels"]["alertname"] for one in call["alerts"]}
        wait_until(lambda: calls(listener, "/heartbeat", "firing")[2:], "the heart beats")
        assert {token for _, token, _ in listener.got} == {f"Bearer {TOKEN}"}
        # what the page says already, and what cannot be scraped
        assert watched.wait_for("SliceQualityLost")
        wait_until(lambda: inhibited(watched, "SliceQualityLost"), "the ticket is inhibited")
        watched.wait_for("TargetDown", job="receiver")

        listener.metrics = OBSERVED.format(lost=0, skill=0.1)
        watched.wait_for_end("QualityLost")
        wait_until(lambda: calls(listener, "/alerts", "resolved"), "the webhook hears of the end")


def test_dead_monitoring_is_told(projects: dict[str, Path], tmp_path: Path, listener: Any) -> None:
    """Nothing can be scraped; then Prometheus is killed, so the heart stops, and starts again."""
    token = tmp_path / "token"
    token.write_text(TOKEN)
    receiver = f"http://127.0.0.1:{listener.server_address[1]}"
    with watch(projects["both"], tmp_path, {}, receiver, token) as watched:
        for name in ("ObserveDead", "ModelNotLoaded"):
            watched.wait_for(name)
        for job in ("observe", "receiver"):
            watched.wait_for("TargetDown", job=job)
        wait_until(lambda: inhibited(watched, "ObserveDead"), "what TargetDown says is inhibited")
        wait_until(lambda: calls(listener, "/heartbeat", "firing"), "the heart beats")

        watched.prometheus.stop(signal.SIGKILL)
        watched.wait_for_end("Watchdog")
        listener.got.clear()
        watched.prometheus.start()
        watched.wait_for("Watchdog")
        wait_until(lambda: calls(listener, "/heartbeat", "firing"), "the heart beats again")


def inhibited(watched: Any, name: str) -> bool:
    return any(alert["status"]["inhibitedBy"] for alert in watched.firing(name))


def calls(listener: Any, path: str, status: str) -> list[dict[str, Any]]:
    return [body for to, _, body in list(listener.got) if to == path and body["status"] == status]
