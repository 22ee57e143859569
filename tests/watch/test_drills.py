"""The world breaks on purpose, and the project notices, heals itself or refuses to get worse.

Everything is real: the service, `observe`, the receiver, Debian's Prometheus and Alertmanager with
the project's own rules, an hour of which lasts a second. What happened when is printed at the end.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import polars as pl
import pytest

from support import rules
from support.monitoring import wait_until
from support.site import Site, Traffic, requests

# One after the other, on one core, beside whatever else is tested.
pytestmark = pytest.mark.xdist_group("drills")

SERVERS = ("serve", "observe", "receive")
ROWS = 1_200
MINUTES_LATER = 8
MOST_MILES = 3_000  # in kilometres, they still keep the contract


def shifted(table: pl.DataFrame) -> pl.DataFrame:
    """Flights leave later than they used to, and arrive as they did."""
    return table.with_columns(pl.col("dep_delay") + MINUTES_LATER)


def flipped(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(~pl.col("late"))


def sample(site: Site) -> pl.DataFrame:
    return site.valid().drop_nulls("late").sample(ROWS, seed=1)


def refusal(site: Site) -> str:
    """Why the newest candidate was refused."""
    return str([entry for entry in site.audit() if entry["action"] == "refuse"][-1]["reason"])


def test_drift_is_noticed_and_healed(site: Site) -> None:
    before, rows = site.champion(), sample(site)
    site.source(shifted(site.valid()))
    with site.running(*SERVERS):
        with site.watched() as watched:
            site.send(rows)
            site.label(rows)
            wait_until(lambda: watched.value("observe_predictions") == ROWS, "observed")
            assert watched.firing("FeatureDrifted") == []
            site.say(f"{ROWS} requests as in training: no drift")
            with Traffic(site, shifted(rows)) as traffic:
                site.say(f"the world shifts: departures are {MINUTES_LATER} minutes later")
                watched.wait_for("FeatureDrifted", feature="dep_delay")
                site.say("FeatureDrifted fires in Alertmanager")
                wait_until(lambda: watched.value("retrain_running") == 1, "retrain starts")
                site.say("the receiver has started a retraining")
                wait_until(lambda: site.champion() != before, "a new champion", 120)
                site.say("a new champion is promoted")
                wait_until(lambda: traffic.model == site.champion(), "it serves")
                site.say("the service answers with it")
                watched.wait_for_end("FeatureDrifted", feature="dep_delay", seconds=120)
                site.say("FeatureDrifted is resolved")
            assert traffic.failed == []
            site.say(f"{len(traffic.answered)} requests meanwhile, none failed")
            asked = rules.read_metrics(site.folder)
            wait_until(lambda: asked <= watched.families(), "every metric of rules and panels")
        check_rollback(site, before, rows)


def check_rollback(site: Site, before: str, rows: pl.DataFrame) -> None:
    """Back under load: no request fails, and the earlier answers are the answers again."""
    after = site.champion()
    row = requests(rows)[0]
    with Traffic(site, rows) as traffic:
        wait_until(lambda: traffic.model == after, "the new one answers")
        began = time.monotonic()
        site.run("rollback", "--reason", "a drill")
        wait_until(lambda: traffic.model == before, "the old one answers")
        site.say(f"rolled back under load in {time.monotonic() - began:.1f} s")
    assert traffic.failed == []
    with site.client() as client:
        assert client.post("/predict", json=row).json()["model"] == before
    last = site.audit()[-1]
    assert (last["action"], last["model"], last["previous"]) == ("rollback", before, after)
    site.run("audit")


def test_poisoned_labels_are_noticed_and_not_learned(site: Site) -> None:
    before, rows = site.champion(), sample(site)
    site.source(flipped(site.valid()))
    with site.running(*SERVERS), site.watched() as watched:
        site.send(rows)
        site.label(flipped(rows))
        site.say("labels come in flipped")
        watched.wait_for("QualityLost")
        site.say("QualityLost fires")
        watched.wait_for("RetrainFailed", seconds=120)
        site.say("retraining on them was refused, and RetrainFailed fires")
    assert "still right where the champion was judged" in refusal(site)
    assert site.champion() == before


def test_candidate_that_is_bad_on_one_slice_is_refused(site: Site) -> None:
    before, cases = site.champion(), site.valid()
    newest = cases["sched_dep"].sort()[int(0.8 * cases.height)]
    bad = (pl.col("carrier") == "US") & (pl.col("sched_dep") >= newest)
    late = pl.when(bad).then(~pl.col("late")).otherwise(pl.col("late"))
    site.source(cases.with_columns(late))
    site.run("retrain", "--reason", "a drill", expect=3)
    site.say(f"refused: {refusal(site)}")
    assert "carrier = US" in refusal(site)
    assert "baseline" not in refusal(site)
    assert site.champion() == before


def children(process: subprocess.Popen[bytes]) -> list[int]:
    pid = process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_service_outlives_the_kill_of_a_worker(site: Site) -> None:
    try:
        site.start("serve", WORKERS="2")
        workers = [
            pid for pid in children(site.processes["serve"]) if b"spawn_main" in command(pid)
        ]
        assert len(workers) == 2
        with Traffic(site, sample(site)) as traffic:
            wait_until(lambda: len(traffic.answered) > 100, "traffic")
            os.kill(workers[0], signal.SIGKILL)
            answered = len(traffic.answered)
            time.sleep(1.5)
            wait_until(lambda: len(traffic.answered) > answered + 200, "it goes on")
        site.say(f"a worker was killed: {len(traffic.failed)} requests failed")
        assert len(traffic.failed) <= 20
    finally:
        site.stop("serve")
    lost = set(traffic.answered) - site.logged()
    site.say(f"{len(traffic.answered)} were answered, {len(lost)} of them are not in the log")
    assert len(lost) <= 20  # what a killed worker had not written yet


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_retrain_that_is_killed_leaves_the_champion(site: Site) -> None:
    before = site.champion()
    site.source(shifted(site.valid()))
    for seconds in (2.0, 6.0):
        process = subprocess.Popen(
            [str(site.environment / "bin" / site.name), "retrain", "--reason", "killed"],
            cwd=site.folder,
            env=site.environ(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(seconds)
        process.kill()
        process.wait()
        assert site.champion() == before
        site.run("audit")
    site.say("retrain was killed twice: the champion is as it was")
    site.run("retrain", "--reason", "again")
    assert site.champion() != before
    site.say("the next run promotes")


FULL_DISK = """
mkdir -p var/predictions && mount -t tmpfs -o size=128k none var/predictions && exec "$@"
"""


def test_full_disk_of_the_log_is_noticed_and_harmless(site: Site) -> None:
    private = ("unshare", "--mount", "--propagation", "private", "bash", "-c", FULL_DISK, "sh")
    with site.running("observe", "receive"):
        try:
            site.start("serve", private, SEGMENT_SECONDS="600")
            with site.watched() as watched:
                with Traffic(site, sample(site)) as traffic:
                    watched.wait_for("PredictionLogLosing")
                    site.say("the log's disk is full, and PredictionLogLosing fires")
                assert traffic.failed == []
                site.say(f"{len(traffic.answered)} requests, none failed")
        finally:
            site.stop("serve")


def test_silence_is_noticed(site: Site) -> None:
    """No labels arrive, then nobody observes, then the service is gone."""
    contract = site.folder / "contracts/labels.odcs.yaml"
    text = contract.read_text()
    assert "value: 24}" in text
    contract.write_text(text.replace("value: 24}", "value: 0.0001}"))
    with site.running(*SERVERS), site.watched() as watched:
        site.send(sample(site).head(300))
        watched.wait_for("NoLabels")
        site.say("NoLabels fires")
        site.stop("observe", signal.SIGKILL)
        watched.wait_for("TargetDown", job="observe")
        site.say("observe was killed, and TargetDown says so")
        site.stop("serve", signal.SIGKILL)
        watched.wait_for("TargetDown", job="api")
        site.say("the service was killed, and TargetDown says so")


@pytest.fixture
def skewed(made: Path, tmp_path: Path) -> str:
    """The project's code, but the service computes one feature in another unit."""
    code = tmp_path / "skewed"
    shutil.copytree(made / "src", code)
    features = code / made.name.replace("-", "_") / "features.py"
    text = features.read_text()
    assert '"distance": columns["distance"],' in text
    features.write_text(text.replace('columns["distance"],', 'columns["distance"] * 1.609,'))
    return str(code)


def test_each_fault_is_caught_by_its_monitor(site: Site, skewed: str) -> None:
    site.env["RETRAIN_MIN_SECONDS"] = "3600"
    rows = sample(site)
    with site.running(*SERVERS), site.watched() as watched:
        with Traffic(site, rows.with_columns(pl.col("distance") * 100)) as traffic:
            watched.wait_for("ValidationFailures", column="distance", rule="range")
        assert traffic.answered == []
        site.say("a hundred times the distance, as cents for dollars: ValidationFailures, distance")
        kilometres = (pl.col("distance") * 1.609).cast(pl.Int64)
        site.send(rows.filter(pl.col("distance") < MOST_MILES).with_columns(distance=kilometres))
        watched.wait_for("FeatureDrifted", feature="distance")
        site.say("kilometres for miles, which no rule forbids: FeatureDrifted, distance")
        with Traffic(site, rows.with_columns(carrier=pl.lit("Z9"))):
            watched.wait_for("UnknownCategories")
        site.say("a carrier never seen: UnknownCategories")
        site.stop("serve")
        site.start("serve", PYTHONPATH=skewed)
        site.send(rows.head(300))
        watched.wait_for("TrainingServingSkew")
        site.say("the service computes another feature: TrainingServingSkew")
