"""The champion as it serves: loaded, tried out, and replaced when the store names another one."""

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..columns import from_rows
from ..errors import ProjectError
from ..model import Model, features_digest
from ..schema import RowError, RowSchema
from ..store import Champion, ModelStore, StoreError
from .metrics import Metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Served:
    """One loaded champion. A request uses the same one from beginning to end."""

    champion: Champion
    model: Model
    schema: RowSchema

    def features(self, rows: list[dict[str, Any]]) -> NDArray[np.float32]:
        """The (n, f) matrix of features for n checked rows."""
        return self.model.features(from_rows(rows, self.model.contract.inputs))

    def output(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Class probabilities (n, k), or values (n,), for features (n, f)."""
        return self.model.predict_features(features)


class ChampionFollower:
    def __init__(self, store: ModelStore, metrics: Metrics) -> None:
        self.served: Served | None = None
        self._store = store
        self._metrics = metrics
        self._complaint = ""

    def load(self) -> None:
        """Serve the champion of the store, if there is one; raise StoreError if it must not."""
        champion = self._store.champion()
        before = self.served
        if champion is None or (before and before.champion == champion):
            return
        served = load(self._store, champion)
        _warn_of_other_features(served.model)
        self._metrics.serves(served.model, champion.since, before.model if before else None)
        # One assignment: requests see either the old model or the new one.
        self.served = served
        logger.info("serving model %s", champion.digest)

    async def follow(self, seconds: float) -> None:
        """Look for a new champion now and then; keep the present one when it must not serve."""
        while True:
            await asyncio.sleep(seconds)
            try:
                await asyncio.to_thread(self.load)
                self._complaint = ""
            except Exception as error:  # whatever is wrong with the new one, the old one works
                self._complain(error)

    def _complain(self, error: Exception) -> None:
        if str(error) == self._complaint:
            return
        self._complaint = str(error)
        self._metrics.load_failures.inc()
        kept = f"keeping {self.served.champion.digest}" if self.served else "not ready"
        logger.error("%s: %s", kept, error)


def load(store: ModelStore, champion: Champion) -> Served:
    """Load a champion and let it answer once; raise StoreError if it cannot serve."""
    folder = store.open(champion.digest)
    try:
        model = Model(folder)
        schema = RowSchema(model.contract, model.info.categories)
        _answer_once(model, schema)
    except ProjectError as error:
        raise StoreError(f"model {champion.digest} cannot serve: {error}") from None
    except Exception as error:
        raise StoreError(f"model {champion.digest} cannot serve: {error!r}") from error
    return Served(champion, model, schema)


def _warn_of_other_features(model: Model) -> None:
    verdict = json.loads((model.folder / "verdict.json").read_text(encoding="utf-8"))
    here = features_digest()
    if verdict["features"] != here:
        logger.warning(
            "model %s was judged with the features.py %s, and %s computes its features here",
            model.digest,
            verdict["features"],
            here,
        )


def _answer_once(model: Model, schema: RowSchema) -> None:
    try:
        row = schema.check(schema.example())
    except RowError:
        row = {}  # no example is known that the rules allow
    model.predict(from_rows([row], model.contract.inputs))
