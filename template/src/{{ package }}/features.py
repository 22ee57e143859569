"""The features of the model, computed by this one function in training and in serving."""

import numpy as np
from numpy.typing import NDArray

from .columns import Categories, Columns, encode, hour, weekday


def features(columns: Columns, categories: Categories) -> dict[str, NDArray[np.float64]]:
    """Named feature columns of n values each, in the order in which the model takes them.

    A feature with the name of a categorical column holds its codes; everything else is a number.
    """
    scheduled = columns["sched_dep"]
    return {
        "dep_delay": columns["dep_delay"],
        "distance": columns["distance"],
        "hour": hour(scheduled),
        "weekday": weekday(scheduled),
        "temp": columns["temp"],
        "wind_speed": columns["wind_speed"],
        "precip": columns["precip"],
        "visib": columns["visib"],
        "pressure": columns["pressure"],
        "carrier": encode(columns["carrier"], categories["carrier"]),
        "origin": encode(columns["origin"], categories["origin"]),
        "dest": encode(columns["dest"], categories["dest"]),
    }
