"""The features of the model, computed by this one function in training and in serving."""

import numpy as np
from numpy.typing import NDArray

from .columns import Categories, Columns, encode, hour, month, weekday


def features(columns: Columns, categories: Categories) -> dict[str, NDArray[np.float64]]:
    """Named feature columns of n values each, in the order in which the model takes them.

    A feature with the name of a categorical column holds its codes; everything else is a number.
    Times count by their place in the day, the week and the year: the model will meet later ones.
    """
    named: dict[str, NDArray[np.float64]] = {}
    for name, values in columns.items():
        if name in categories:
            named[name] = encode(values, categories[name])
        elif values.dtype.kind == "M":
            named[f"{name} hour"] = hour(values)
            named[f"{name} weekday"] = weekday(values)
            named[f"{name} month"] = month(values)
        else:
            named[name] = values
    return named
