"""A candidate beside the champion: on the same rows, and where the champion was judged."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import anchor
from .contract import Contract
from .evaluate import Check
from .ids import ids_digest
from .metrics import LOSS_NAME, Array, Bootstrap, number, per_row_loss, skill
from .model import Model, features_digest
from .params import Gates, Params, Task
from .splits import Split, read
from .store import Champion, ModelStore, Unblessed

NOT_WORSE = "not worse than the champion"
STILL_RIGHT = "still right where the champion was judged"


def find_rival(store: ModelStore, champion: Champion | None, candidate: Model) -> Model | None:
    """The champion, if it may serve and predicts the same target of the same dataset."""
    if champion is None:
        return None
    try:
        rival = Model(store.open(champion.digest, rows=True))
    except Unblessed:
        return None
    tasks = [(m.info.task, m.contract.name, m.contract.target.name) for m in (rival, candidate)]
    return rival if tasks[0] == tasks[1] else None


def compare(
    candidate: Model,
    verdict: dict[str, Any],
    champion: Champion | None,
    rival: Model | None,
    params: Params,
) -> list[Check]:
    """The checks of a candidate that only the champion's presence allows.

    ``verdict`` is the candidate's, ``rival`` the loaded ``champion`` where there is one to compare
    with.
    """
    if champion is None or rival is None:
        return [Check(NOT_WORSE, True, "there is no champion for this target yet")]
    bootstrap = Bootstrap(params.gates.confidence, params.gates.resamples, params.seed)
    test = read("test", candidate.contract)
    fair, obstacle = fair_rows(rival, candidate, test, same_data=champion.data == verdict["data"])
    if fair.sum() >= params.gates.slice_min_rows:
        not_worse = not_worse_on(test.where(fair), candidate, rival, bootstrap)
    else:
        not_worse = not_worse_by_record(verdict["loss"], champion, obstacle)
    return [not_worse, still_right(candidate, rival, params.gates, bootstrap)]


def fair_rows(
    rival: Model, candidate: Model, test: Split, *, same_data: bool
) -> tuple[NDArray[np.bool_], str]:
    """On which test rows (n,) the champion can be asked as fairly as the candidate.

    On none where it would see other features than it was trained with, and on none that it was
    trained on. If there are few, the text says why.
    """
    n = len(test.values)
    none, every = np.zeros(n, dtype=bool), np.ones(n, dtype=bool)
    judged = json.loads((rival.folder / "verdict.json").read_text(encoding="utf-8"))
    if judged["features"] != features_digest():
        return none, "features.py has changed since"
    if missing := lacking(rival.contract, candidate.contract):
        return none, f"it needs {', '.join(missing)}"
    if same_data:
        return every, "the test rows are few"
    trained_on = _trained_on(rival.folder)
    if test.ids and trained_on.size:
        return ~np.isin(ids_digest(test.ids), trained_on), "it was trained on most of them"
    # What is newest now was still to come when the champion was trained.
    if candidate.contract.time is not None:
        return every, "the test rows are few"
    return none, "nothing tells which of them it was trained on"


def lacking(wanted: Contract, there: Contract) -> list[str]:
    """The inputs of one contract that are not in another one, or of another type there."""
    types = {column.name: column.type for column in there.inputs}
    return [column.name for column in wanted.inputs if types.get(column.name) != column.type]


def _trained_on(folder: Path) -> NDArray[np.uint64]:
    path = folder / "trained_on.npy"
    return np.load(path) if path.exists() else np.empty(0, dtype=np.uint64)


def not_worse_on(rows: Split, candidate: Model, rival: Model, bootstrap: Bootstrap) -> Check:
    """Refuse a candidate whose loss on these rows is above the champion's beyond chance."""
    ours, theirs = losses(candidate, rows), losses(rival, rows)
    difference = bootstrap.mean(ours - theirs)
    detail = (
        f"{LOSS_NAME[candidate.info.task]} {number(float(ours.mean()))} against the champion's "
        f"{number(float(theirs.mean()))} on the same {len(ours):,} rows, difference {difference}"
    )
    return Check(NOT_WORSE, difference.low <= 0, detail)


def not_worse_by_record(loss: dict[str, float], champion: Champion, obstacle: str) -> Check:
    """Refuse a candidate whose loss is surely above the one that the champion was stored with."""
    detail = (
        f"loss {number(loss['value'])}, the champion's was {number(champion.loss)}; they cannot "
        f"be compared on the same rows: {obstacle}"
    )
    return Check(NOT_WORSE, champion.loss >= loss["low"], detail)


def still_right(candidate: Model, rival: Model, gates: Gates, bootstrap: Bootstrap) -> Check:
    """Refuse a candidate that knows less than a constant where the champion was judged.

    What was learnt from wrong labels looks good on test rows with the same wrong labels; those of
    the champion's day are not among them.
    """
    if missing := lacking(candidate.contract, rival.contract):
        detail = f"the champion was judged without {', '.join(missing)}"
        return Check(STILL_RIGHT, True, detail)
    rows = anchor.read(rival.folder, candidate.contract)
    if rows is None:
        return Check(STILL_RIGHT, True, "the champion has no anchor yet")
    if len(set(rows.values)) == 1:
        return Check(STILL_RIGHT, True, "all of the champion's anchor has the same target")
    reference = constant_losses(candidate.info.task, rows.values)
    known = skill(losses(candidate, rows), reference)
    estimate = bootstrap.estimate(len(reference), {"skill": known})["skill"]
    passed = estimate.high >= gates.anchor_min_skill
    detail = f"skill {estimate} on {len(reference):,} of the rows that the champion was judged on"
    if not passed:
        detail += (
            f", the limit is {gates.anchor_min_skill:g}; are the new labels right? If the world "
            "has changed that much, lower gates.anchor_min_skill in params.yaml"
        )
    return Check(STILL_RIGHT, passed, detail)


def losses(model: Model, rows: Split) -> Array:
    """The loss (n,) of a model on n rows; a class that it does not know has the probability 0."""
    output = np.nan_to_num(model.predict(rows.columns), posinf=0, neginf=0)
    if not model.info.classes:
        return per_row_loss(model.info.task, np.array(rows.values, dtype=np.float64), output)
    index = {label: place for place, label in enumerate(model.info.classes)}
    target = np.array([index.get(value, len(index)) for value in rows.values], dtype=np.float64)
    padded = np.column_stack([output, np.zeros(len(target))])
    return per_row_loss(model.info.task, target, padded)


def constant_losses(task: Task, values: list[Any]) -> Array:
    """The loss (n,) of always answering the frequencies of these classes, or their mean."""
    if task == "regression":
        numbers = np.array(values, dtype=np.float64)
        return per_row_loss(task, numbers, np.full(len(numbers), numbers.mean()))
    counts = Counter(values)
    return -np.log([counts[value] / len(values) for value in values])
