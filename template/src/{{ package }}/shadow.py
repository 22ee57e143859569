"""The challenger in the champion's shadow: both answer logged requests before it takes over.

A test set is a table; requests come one by one, as callers send them. Inputs that the log leaves
out because they are sensitive are missing here for both.
"""

import gzip
import io
import json
import time
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import blobs, records, reference
from .blobs import Location
from .columns import TIMES, from_rows
from .evaluate import Check
from .model import Model
from .observe.drift import psi
from .params import Gates
from .settings import Settings

NAME = "holds up on logged requests"
# Below this, nobody notices that an answer takes longer.
FAST_SECONDS = 0.001


@dataclass(frozen=True)
class Replay:
    """What a model gave for n rows: outputs (n, k), NaN where it failed, and its median time."""

    output: NDArray[np.float64]
    failed: NDArray[np.bool_]
    seconds: float


def check(champion: Model, challenger: Model, settings: Settings, gates: Gates) -> Check | None:
    """Let both models answer the newest logged requests; None when nothing has been logged.

    The challenger must answer each with finite numbers, and must not take more than
    ``gates.shadow_latency`` times as long. How far its answers differ is reported and not judged:
    a model that has learned something new answers differently.
    """
    requests = newest(settings.prediction_store, gates.shadow_rows)
    if not requests:
        return None
    old, new = replay(champion, challenger, requests)
    limit = max(gates.shadow_latency * old.seconds, FAST_SECONDS)
    detail = (
        f"of {len(requests):,} logged requests, {new.failed.sum():,} failed; one takes "
        f"{1000 * new.seconds:.2g} ms, with the champion {1000 * old.seconds:.2g} ms"
    )
    both = ~(old.failed | new.failed)
    if both.any():
        share, shift = difference(champion, challenger, old.output[both], new.output[both])
        detail += f"; {share:.1%} are answered differently, PSI of the predictions {shift:.2g}"
    return Check(NAME, not new.failed.any() and new.seconds <= limit, detail)


def newest(store: Location, limit: int) -> list[dict[str, Any]]:
    """The inputs of at most ``limit`` logged requests, the newest there are, oldest first."""
    found: list[tuple[str, dict[str, Any]]] = []
    for folder, _ in reversed(list(records.days(store))):
        segments = sorted(records.segments(store, folder), key=lambda one: one.changed)
        while segments and len(found) < limit:
            # Within a segment, the newest come last.
            found += deque(_logged(store, segments.pop().name), maxlen=limit)
        if len(found) >= limit:
            break
    found.sort(key=lambda record: record[0])
    return [inputs for _, inputs in found[-limit:]]


def _logged(store: Location, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Time and inputs of the records of a segment; what cannot be read is left out."""
    try:
        with gzip.open(io.BytesIO(blobs.at(store).read(name).content)) as lines:
            for line in lines:
                try:
                    record = json.loads(line)
                    yield str(record["time"]), dict(record["inputs"])
                except (ValueError, TypeError, KeyError):
                    continue
    except blobs.BlobError:
        raise
    except (OSError, EOFError, zlib.error):
        return  # cut short, or just taken away by retention or erasure


def replay(
    champion: Model, challenger: Model, requests: list[dict[str, Any]]
) -> tuple[Replay, Replay]:
    """Both answer one request after the other, taking turns: what slows one slows the other."""
    models = (champion, challenger)
    answers: list[list[NDArray[np.float64]]] = [[], []]
    seconds: list[list[float]] = [[], []]
    for model in models:
        _answer(model, requests[0])
    for inputs in requests:
        for place, model in enumerate(models):
            started = time.perf_counter()
            answers[place].append(_answer(model, inputs))
            seconds[place].append(time.perf_counter() - started)
    old, new = (
        Replay(output, ~np.isfinite(output.sum(axis=1)), float(np.median(times)))
        for output, times in zip(map(np.array, answers), seconds, strict=True)
    )
    return old, new


def _answer(model: Model, inputs: dict[str, Any]) -> NDArray[np.float64]:
    """The output (k,) for one request; NaN where there is none, whatever went wrong."""
    try:
        row = _typed(inputs, model)
        return np.atleast_1d(model.predict(from_rows([row], model.contract.inputs))[0])
    except Exception:
        return np.full(len(model.info.classes) or 1, np.nan)


def _typed(inputs: dict[str, Any], model: Model) -> dict[str, Any]:
    """The logged inputs, with dates and times no longer as text."""
    times = {column.name for column in model.contract.inputs if column.type in TIMES}
    return {
        name: datetime.fromisoformat(value) if name in times and value is not None else value
        for name, value in inputs.items()
    }


def difference(
    champion: Model,
    challenger: Model,
    old: NDArray[np.float64],
    new: NDArray[np.float64],
) -> tuple[float, float]:
    """The share of n rows that two outputs (n, k) answer differently, and the PSI between them.

    Numbers differ when they are further apart than a tenth of the champion's standard deviation.
    """
    if champion.info.task == "regression":
        before, after = old[:, 0], new[:, 0]
        changed = np.abs(after - before) > before.std() / 10
        return float(changed.mean()), _shift(before, after)
    was, becomes = np.array(champion.answers(old)), np.array(challenger.answers(new))
    share = float((was != becomes).mean())
    if champion.info.task == "binary":
        return share, _shift(old[:, 1], new[:, 1])
    names = np.union1d(was, becomes)
    shares = [(answers[:, None] == names).mean(axis=0) for answers in (was, becomes)]
    return share, float(psi(*shares))


def _shift(before: NDArray[np.float64], after: NDArray[np.float64]) -> float:
    """The PSI of two sets of n numbers each, in bins that hold a tenth of those before."""
    bins = reference.numbers(before)
    return float(psi(np.array(bins.shares), bins.counts(after) / len(after)))
