"""Requests that came together are computed together: one matrix of features, one run of the model.

With one row, numpy and onnxruntime take longer to be called than to compute. Features and models
look at each row by itself, so what else is in the batch changes an answer in rounding at most.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .champion import Served


class Computed(NamedTuple):
    """Features (n, f) of n rows, and the model's output: probabilities (n, k) or values (n,)."""

    features: NDArray[np.float32]
    output: NDArray[np.float64]


class Waiting(NamedTuple):
    served: Served
    rows: list[dict[str, Any]]
    result: asyncio.Future[Computed]


class Together:
    def __init__(self) -> None:
        self._waiting: list[Waiting] = []

    async def compute(self, served: Served, rows: list[dict[str, Any]]) -> Computed:
        """Features and output of checked rows; raises what computing them raised."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # Its turn comes when all requests that are there now have added their rows.
            loop.call_soon(self._compute_all)
        waiting = Waiting(served, rows, loop.create_future())
        self._waiting.append(waiting)
        return await waiting.result

    def _compute_all(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, group in groupby(waiting, key=lambda each: id(each.served)):
            requests = list(group)
            try:
                _compute(requests)
            except Exception:  # of one of them, which must not be the others' misfortune
                for request in requests:
                    _compute_alone(request)


def _compute(requests: Sequence[Waiting]) -> None:
    served = requests[0].served
    features = served.features([row for request in requests for row in request.rows])
    output = served.output(features)
    end = 0
    for _, rows, result in requests:
        start, end = end, end + len(rows)
        if not result.done():
            result.set_result(Computed(features[start:end], output[start:end]))


def _compute_alone(request: Waiting) -> None:
    try:
        _compute([request])
    except Exception as error:
        if not request.result.done():
            request.result.set_exception(error)
