"""The prepared splits as arrays: input columns, and the target as class indices or values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from .columns import Columns, from_arrow
from .contract import Contract
from .errors import ProjectError
from .model import Label
from .settings import PREPARED

NAMES = ("train", "valid", "test")


class SplitError(ProjectError):
    """A prepared split cannot be used for training or evaluation."""


@dataclass(frozen=True)
class Split:
    """n rows: input columns, the target's values, and the ids, none of which there may be."""

    name: str
    columns: Columns
    values: list[Any]
    ids: list[Any]

    def target(self, classes: Sequence[Label]) -> NDArray[np.float64]:
        """Class indices (n,), or the values themselves (n,) when there are no classes."""
        if not classes:
            return np.array(self.values, dtype=np.float64)
        index = {label: float(position) for position, label in enumerate(classes)}
        unknown = sorted({str(value) for value in self.values if value not in index})
        if unknown:
            raise SplitError(
                f"the {self.name} split has the class {', '.join(unknown)}, which the train split "
                "lacks: join rare classes in the data, or change split in params.yaml"
            )
        return np.array([index[value] for value in self.values])

    def where(self, chosen: NDArray[np.bool_]) -> "Split":
        """The chosen rows (n,) alone."""
        return Split(
            self.name,
            {name: values[chosen] for name, values in self.columns.items()},
            list(compress(self.values, chosen)),
            list(compress(self.ids, chosen)),
        )


def read(name: str, contract: Contract) -> Split:
    """Read one split; raise SplitError when `prepare` has not written it."""
    return as_split(name, read_table(name), contract)


def read_table(name: str) -> pl.DataFrame:
    """One split as `prepare` wrote it; raise SplitError when it has not."""
    path = PREPARED / f"{name}.parquet"
    if not path.exists():
        raise SplitError(f"{path} does not exist: run `dvc repro` first")
    table = pl.read_parquet(path)
    if table.is_empty():
        raise SplitError(f"{path} has no rows: change split in params.yaml")
    return table


def as_split(name: str, table: pl.DataFrame, contract: Contract) -> Split:
    """The rows of a table; raise pyarrow.ArrowException when a type is not the contract's."""
    columns = from_arrow(table.to_arrow(), contract.inputs)
    id = contract.id
    ids = table[id.name].to_list() if id and id.name in table.columns else []
    return Split(name, columns, table[contract.target.name].to_list(), ids)


def spread(count: int, most: int) -> NDArray[np.int_]:
    """At most so many indices, evenly spread, with the first and the last."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int))


def find_classes(values: Sequence[Label], positive: Label | None, binary: bool) -> list[Label]:
    """The classes in the order of the model's outputs: sorted, the positive one of two last.

    Unless it is named, the positive class is True or 1 where the other is False or 0, else the
    rarer one.
    """
    counts = Counter(values)
    classes = sorted(counts)
    if wrong := [label for label in classes if not isinstance(label, bool | int | str)]:
        raise SplitError(
            f"{wrong[0]!r} is no class: the target must be a string, an integer or a boolean "
            "in the contract, or task in params.yaml regression"
        )
    if not binary:
        return classes
    if len(classes) != 2:
        raise SplitError(
            f"a binary task needs two classes, and the train split has {len(classes)}: "
            "change task in params.yaml"
        )
    if positive is None:
        is_flag = set(classes) == {0, 1}
        positive = classes[1] if is_flag else min(reversed(classes), key=counts.__getitem__)
    if positive not in classes:
        names = " and ".join(map(repr, classes))
        raise SplitError(f"params.yaml: positive is {positive!r}, but the classes are {names}")
    return sorted(classes, key=lambda label: label == positive)
