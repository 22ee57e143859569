"""Register what was trained: recorded in MLflow always, champion only when nothing speaks against.

The model store is what servers read. MLflow mirrors it for people: runs, versions, and the aliases
``champion`` and ``challenger``.
"""

import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import shadow, staleness, tracking
from .compare import compare, find_rival
from .errors import ProjectError
from .model import Model
from .params import Params
from .settings import MODEL, MODEL_NAME, REPORTS, Settings
from .store import Champion, ModelStore, Unblessed

# What the pipeline writes itself: it follows from the commit and the data, which are recorded.
WRITTEN = ("dvc.lock", "data/landing.dvc", "reports/", "docs/model_card.md", "docs/data_card.md")
BLOCK = re.compile(r"(<!-- run:begin -->\n).*?(<!-- run:end -->)", re.DOTALL)


class NoCommit(ProjectError):
    """The code has no commit that a model could be traced back to."""


class NotReady(ProjectError):
    """There is nothing to register, or it is not what the pipeline would make now."""


@dataclass(frozen=True)
class Registration:
    """``refusals`` are the reasons why the model did not become the champion; none if it is.

    ``complaint`` says what MLflow does not mirror.
    """

    digest: str
    version: str | None
    refusals: list[str]
    complaint: str = ""


def register(params: Params, settings: Settings, reason: str = "") -> Registration:
    """Record the model that is in ``models/``, and make it the champion if it may be.

    The decision goes to the audit log, with the reason why it was asked for. Raises NotReady, or
    NoCommit, when the model could not be traced back to code and data.
    """
    verdict_path = MODEL / "verdict.json"
    if not verdict_path.exists():
        raise NotReady("there is no evaluated model yet: run dvc repro")
    if not pipeline_is_current():
        raise NotReady("code, parameters or data changed since the model was made: run dvc repro")
    commit = settings.git_commit or head_commit()
    dirty = [] if settings.git_commit else uncommitted()
    store = ModelStore(settings.model_store, MODEL_NAME)
    store.correct()

    verdict = json.loads(verdict_path.read_text(encoding="utf-8"))
    digest = verdict["model"]
    champion = store.champion()
    if champion is not None and _is_what_serves(store, champion, verdict):
        store.complete(digest, MODEL)
        return Registration(digest, None, [])
    model = Model(MODEL, params.threads)
    refusals = judge(verdict, model, store, champion, params, settings)
    if dirty:
        refusals.append(f"not committed: {', '.join(dirty)}")

    facts = {key: verdict[key] for key in ("data", "contract")} | {"commit": commit}
    if refusals:
        before = champion.digest if champion else None
        why = "; ".join(refusals)
        store.audit.append("refuse", model=digest, previous=before, reason=why, **facts)
        if before == digest:
            return Registration(digest, None, refusals)
    # A model that served may be gone back to: it keeps the verdict that it was given.
    if not (refusals and _may_serve(store, digest)):
        store.put(MODEL, verdict)
    version = tracking.record(model, verdict, params, settings, commit=commit, dirty=dirty)
    if refusals:
        tracking.point(settings, "challenger", digest)
        return Registration(digest, version, refusals)
    store.move("promote", digest, reason or "registered", before=champion, **facts)
    complaint = tracking.point(settings, "champion", digest)
    fill_cards(params, verdict, commit)
    return Registration(digest, version, [], complaint)


def judge(
    verdict: dict[str, Any],
    model: Model,
    store: ModelStore,
    champion: Champion | None,
    params: Params,
    settings: Settings,
) -> list[str]:
    """Add the checks beside the champion to the verdict; return what speaks against the model."""
    rival = find_rival(store, champion, model)
    checks = verdict["checks"]
    checks += map(asdict, compare(model, verdict, champion, rival, params))
    if rival is not None and all(check["passed"] for check in checks):
        shadowed = shadow.check(rival, model, settings, params.gates)
        checks += [asdict(shadowed)] if shadowed else []
    verdict["passed"] = all(check["passed"] for check in checks)
    refusals = [f"{one['name']}: {one['detail']}" for one in checks if not one["passed"]]
    if before := store.rolled_back(model.digest):
        refusals.append(
            f"it was rolled back on {before['time'][:10]} ({before['reason']}); only "
            f"`{MODEL_NAME} rollback {model.digest[:12]}` lets it serve again"
        )
    return refusals


def _is_what_serves(store: ModelStore, champion: Champion, verdict: dict[str, Any]) -> bool:
    """Whether these bytes, judged on this data, are the champion, and whole in the store."""
    if champion.digest != verdict["model"] or not _may_serve(store, champion.digest):
        return False
    folder = store.open(champion.digest)
    judged = json.loads((folder / "verdict.json").read_text(encoding="utf-8"))
    return all(judged[key] == verdict[key] for key in ("contract", "features", "data", "metrics"))


def _may_serve(store: ModelStore, digest: str) -> bool:
    try:
        store.open(digest)
    except Unblessed:
        return False
    return True


def head_commit() -> str:
    """The commit that is checked out."""
    return _git("rev-parse", "HEAD").strip()


def uncommitted() -> list[str]:
    """Tracked and unignored files that differ from the commit, but for what the pipeline writes."""
    entries = _git("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", ".")
    prefix = _git("rev-parse", "--show-prefix").strip()
    paths = [entry[3:].removeprefix(prefix) for entry in entries.split("\0") if entry]
    return sorted(path for path in paths if not path.startswith(WRITTEN))


def pipeline_is_current() -> bool:
    """Whether dvc.lock, the code, the parameters and the outputs belong together."""
    status = subprocess.run([sys.executable, "-m", "dvc", "status", "--quiet"], check=False)
    return status.returncode == 0


def _git(*arguments: str) -> str:
    result = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise NoCommit(
            "a model is registered under a git commit, and there is none: "
            "git init && git add --all && git commit --message 'First commit'"
        )
    return result.stdout


def fill_cards(params: Params, verdict: dict[str, Any], commit: str) -> None:
    """Replace the run's block in both cards; a card without one is left alone."""
    quality = json.loads((REPORTS / "quality.json").read_text(encoding="utf-8"))
    _fill_card(Path("docs/model_card.md"), _model_block(params, verdict, commit))
    _fill_card(Path("docs/data_card.md"), _data_block(quality))


def _fill_card(path: Path, block: str) -> None:
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
    if ageing := staleness.read(MODEL):
        facts["Ages"] = ageing.basis
    metrics = {name: _figure(value) for name, value in verdict["metrics"].items()}
    checks = [
        f"- {'passed' if check['passed'] else '**failed**'}, {check['name']}: {check['detail']}"
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
