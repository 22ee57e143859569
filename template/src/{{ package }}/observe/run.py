"""One look at what the champion has predicted, and what that says about data, code and model."""

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from .. import charter, labels, reference, staleness
from ..metrics import LOSS_NAME
from ..model import Model
from ..params import Params, Task
from ..settings import MODEL_NAME, Settings
from ..store import ModelStore
from . import drift, quality, skew, window
from .drift import Drifts
from .quality import Arrival, Quality
from .skew import Skew

# Above this share of drifted features it is rarely the world, and mostly the source.
MANY_DRIFTED = 0.3
MOST_NAMED = 5


@dataclass(frozen=True)
class Finding:
    """Something wrong, and what to do about it. ``name`` is its heading in docs/runbook.md."""

    name: str
    problem: str
    action: str


@dataclass(frozen=True)
class Observation:
    """What was seen in the predictions that a model made from ``since`` until ``time``.

    What was not judged is None, and ``notes`` say why.
    """

    time: datetime
    since: datetime
    model: str
    task: Task
    trained: datetime
    max_age_days: float | None
    predictions: int
    others: int
    unreadable: int
    drift: Drifts | None
    skew: Skew | None
    labels: Arrival
    quality: Quality | None
    notes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def age(self) -> timedelta:
        return self.time - self.trained


def observe(
    params: Params, settings: Settings, hours: float | None = None, now: datetime | None = None
) -> Observation:
    """Judge the champion's predictions of the last hours; raise ProjectError without a champion.

    Labels also count for older predictions, as far back as a label may take.
    """
    store = ModelStore(settings.model_store, MODEL_NAME)
    model = Model(store.open_champion())
    champion = store.champion()
    assert champion is not None
    now = now or datetime.now(UTC)
    costs, contract = charter.load(), labels.load(model.contract)
    limits = params.observe
    seen = window.read(
        settings.prediction_store,
        model,
        now,
        hours or limits.window_hours,
        contract.lateness,
        params.seed or 0,
    )
    keys = (row.key(contract.by_request)[0] for row in (*seen.earlier, *seen.rows))
    known = labels.read(settings.labels, contract, keys, now)
    labelled = quality.join(seen, known, contract, model)
    before = reference.read(model.folder / reference.NAME)
    age = staleness.read(model.folder)
    enough = len(seen.rows) >= limits.min_rows
    judged = len(labelled.rows) >= limits.min_rows
    observation = Observation(
        time=now,
        since=seen.since,
        model=model.digest,
        task=model.info.task,
        trained=datetime.fromisoformat(champion.since),
        max_age_days=age.max_age_days if age else None,
        predictions=seen.count,
        others=seen.others,
        unreadable=seen.unreadable,
        drift=drift.compare(seen, model, before, limits) if before and enough else None,
        skew=skew.compare(seen, model) if seen.rows else None,
        labels=quality.arrival(seen, known, contract, labelled, model),
        quality=quality.judge(labelled, model, before, params, costs) if judged else None,
    )
    observation.notes.extend(_notes(observation, params, before is not None))
    observation.findings.extend(_findings(observation, params))
    return observation


def _notes(seen: Observation, params: Params, has_reference: bool) -> list[str]:
    least = params.observe.min_rows
    notes = []
    if not has_reference:
        notes.append("drift is not judged: the model was made without a reference; train it again")
    elif seen.drift is None:
        notes.append(
            f"drift is not judged: {seen.predictions:,} predictions are fewer than the {least:,} "
            "of observe.min_rows"
        )
    elif seen.drift.withheld:
        notes.append(
            f"drift is not judged of {', '.join(seen.drift.withheld)}: the log leaves out what "
            "tells a sensitive input"
        )
    if seen.quality is None:
        notes.append(
            f"quality is not judged: {seen.labels.matched:,} labelled predictions are fewer than "
            f"the {least:,} of observe.min_rows"
        )
    if seen.others:
        notes.append(f"{seen.others:,} predictions in this time were made by other models")
    if seen.unreadable:
        notes.append(f"{seen.unreadable:,} lines or files of the prediction log cannot be read")
    return notes + [f"labels: {problem}" for problem in seen.labels.problems]


def _findings(seen: Observation, params: Params) -> list[Finding]:
    """What is wrong, the most urgent first."""
    limits = params.observe
    found = []
    if seen.skew is not None and seen.skew.largest > limits.skew_limit:
        found.append(
            Finding(
                "TrainingServingSkew",
                "the logged features are not what features.py makes of the logged inputs here: "
                f"up to {seen.skew.largest:.3g} apart in {_some(list(seen.skew.features))}",
                "predict with the code of the commit that the champion was trained under",
            )
        )
    if seen.quality is not None:
        found += _lost(seen.quality, seen.task)
    if seen.drift is not None:
        found += _drifted(seen.drift, limits.psi_limit)
    overdue = seen.labels.overdue_ratio
    if overdue is not None and overdue > limits.overdue_limit:
        found.append(
            Finding(
                "NoLabels",
                f"{seen.labels.overdue:,} of the {seen.labels.due:,} labels that should be known "
                "by now are not: nobody knows how good these predictions are",
                "ask whoever delivers labels; see that their key matches the logged predictions",
            )
        )
    if seen.max_age_days is not None and seen.age > timedelta(days=seen.max_age_days):
        found.append(
            Finding(
                "StaleModel",
                f"the model has served for {seen.age / timedelta(days=1):.1f} days, and counts as "
                f"stale after {seen.max_age_days:.3g}",
                "retrain on newer data",
            )
        )
    if not seen.predictions and not seen.others:
        found.append(
            Finding(
                "NothingObserved",
                f"no prediction has been logged since {seen.since:%Y-%m-%d %H:%M} UTC",
                "see that something predicts, and logs into PREDICTION_STORE",
            )
        )
    return found


def _lost(found: Quality, task: Task) -> list[Finding]:
    findings = []
    if found.lost:
        findings.append(
            Finding(
                "QualityLost",
                f"on {found.rows:,} labelled predictions the {LOSS_NAME[task]} is {found.loss}; "
                f"the evaluation promised {found.promised_loss}",
                "see that the labels are right, then retrain",
            )
        )
    if found.lost_slices:
        worst = sorted(found.lost_slices, key=lambda part: part.skill.high if part.skill else 0)
        findings.append(
            Finding(
                "SliceQualityLost",
                f"surely worse than a constant where {_some([part.name for part in worst])}",
                "retrain, or find features that tell these rows apart",
            )
        )
    return findings


def _drifted(found: Drifts, limit: float) -> list[Finding]:
    findings = []
    if found.drifted:
        told = [f"{one.name} (PSI {one.psi:.2f})" for one in found.drifted]
        many = len(told) > MANY_DRIFTED * len(found.features)
        findings.append(
            Finding(
                "FeaturesDriftedWidely" if many and len(told) > 1 else "FeatureDrifted",
                f"not distributed as in training, beyond chance and a PSI of {limit:g}: "
                f"{_some(told)}",
                "if the world has changed, retrain; if the source is wrong, have it corrected",
            )
        )
    if found.prediction.drifted:
        findings.append(
            Finding(
                "PredictionsDrifted",
                f"the predictions are not distributed as at the evaluation "
                f"(PSI {found.prediction.psi:.2f})",
                "look at the features that have drifted, and at the labels",
            )
        )
    return findings


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def to_json(seen: Observation) -> str:
    """An observation as JSON; what is no finite number is null."""
    return json.dumps(_plain(asdict(seen)), ensure_ascii=False, allow_nan=False, indent=1)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def save(seen: Observation, page: str, folder: Path, keep: int) -> Path:
    """Keep an observation and its page, with the newest before it; return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{seen.time.astimezone(UTC):%Y-%m-%dT%H%M%S}.html"
    write(path.with_suffix(".json"), to_json(seen) + "\n")
    write(path, page)
    for suffix in ("html", "json"):
        for old in sorted(folder.glob(f"????-??-??T??????.{suffix}"))[:-keep]:
            old.unlink(missing_ok=True)
    return path


def write(path: Path, text: str) -> None:
    """Whole or not at all: somebody may be reading."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8")
    unfinished.replace(path)
