"""Tables as numpy columns, the form that features are computed on.

The same columns come from one request and from a million rows of Parquet, so the same feature
function serves both. Numbers and booleans are float64 with NaN for missing, strings are objects
with None, dates and timestamps are datetime64[us] with NaT (an offset is converted to UTC).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .contract import Column

Columns = Mapping[str, NDArray[Any]]
Categories = Mapping[str, Mapping[str, float]]

TIMES = ("date", "timestamp")
NUMBERS = ("integer", "number", "boolean")

FLOAT, OBJECT = np.dtype(np.float64), np.dtype(object)
MICROSECONDS = np.dtype("datetime64[us]")
HOUR = np.timedelta64(1, "h")


def from_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column]) -> Columns:
    """Columns of n values each from n rows; a key that a row lacks is a missing value."""
    result: dict[str, Any] = {
        column.name: [row.get(column.name) for row in rows] for column in columns
    }
    # A request is a single row, for which every call of numpy counts: all numbers are one array.
    numbers = [column.name for column in columns if column.type in NUMBERS]
    result.update(zip(numbers, np.array([result[name] for name in numbers], FLOAT), strict=True))
    for column in columns:
        if column.type in TIMES:
            times = [_naive(value) for value in result[column.name]]
            result[column.name] = np.array(times, MICROSECONDS)
        elif column.type == "string":
            result[column.name] = np.array(result[column.name], OBJECT)
    return result


def from_arrow(table: Any, columns: Iterable[Column]) -> Columns:
    """Columns from a pyarrow Table or RecordBatch; raise pyarrow.ArrowInvalid on a wrong type."""
    result = {}
    for column in columns:
        values = table[column.name]
        if column.type in TIMES:
            result[column.name] = values.cast("timestamp[us]").to_numpy(zero_copy_only=False)
        elif column.type == "string":
            result[column.name] = _strings(values.cast("string"))
        else:
            result[column.name] = values.cast("float64").to_numpy(zero_copy_only=False)
    return result


def _strings(values: Any) -> NDArray[Any]:
    """The texts (n,), each an object once however many rows have it."""
    coded = values.dictionary_encode()
    if hasattr(coded, "combine_chunks"):
        coded = coded.unify_dictionaries().combine_chunks()
    texts = np.append(coded.dictionary.to_numpy(zero_copy_only=False), np.array([None]))
    result: NDArray[Any] = texts[coded.indices.fill_null(len(texts) - 1).to_numpy()]
    return result


def _naive(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def encode(values: NDArray[Any], codes: Mapping[str, float]) -> NDArray[np.float64]:
    """Category codes, shape (n,). Unknown and missing categories become NaN, never a known one."""
    return np.fromiter(map(codes.get, values, repeat(np.nan)), np.float64, len(values))


def weekday(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Day of the week, Monday = 0; NaN where the time is missing."""
    # 1970-01-01 was a Thursday.
    days = times.astype("datetime64[D]")
    return np.where(np.isnat(days), np.nan, (days.astype(np.int64) + 3) % 7)


def hour(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Hour of the day with its minutes as a fraction; NaN where the time is missing."""
    since_midnight = times - times.astype("datetime64[D]")
    return np.asarray(since_midnight / HOUR, dtype=np.float64)


def month(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Month of the year, January = 1; NaN where the time is missing."""
    months = times.astype("datetime64[M]")
    return np.where(np.isnat(months), np.nan, months.astype(np.int64) % 12 + 1)


def matrix(features: Columns) -> NDArray[np.float32]:
    """Stack k feature columns of n values to the (n, k) float32 matrix that the model takes."""
    columns = list(features.values())
    with np.errstate(over="ignore"):
        joined = np.concatenate(columns, dtype=np.float32, casting="unsafe")
    stacked = np.ascontiguousarray(joined.reshape((len(columns[0]), len(columns)), order="F"))
    stacked[np.isinf(stacked)] = np.nan
    return stacked
