"""pandas: frames and series by their labels, and by the dtype and values of each column."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportMissingTypeStubs=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from expcore._encoders_objects import class_name
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from expcore._walk import Encoder, Walk


# An array of numpy's in a coat; it calls its dtype an extension.
_PLAIN: Any = getattr(pd.arrays, "NumpyExtensionArray", None) or pd.arrays.PandasArray  # type: ignore[attr-defined,unused-ignore]


def _frame(value: Any, walk: Walk) -> bytes:
    parts = [walk.encode(class_name(type(value))), _index(value.columns, walk)]
    parts.append(_index(value.index, walk))
    try:
        for place in range(value.shape[1]):
            parts.append(_array(value.iloc[:, place].array, walk))  # noqa: PERF401
    except UndigestableError as error:
        error.prepend(f"[{value.columns[len(parts) - 3]!r}]")
        raise
    return walk.join("frame", [*parts, walk.encode(value.attrs)])


def _series(value: Any, walk: Walk) -> bytes:
    name, attrs = walk.encode(value.name), walk.encode(value.attrs)
    parts = [_index(value.index, walk), _array(value.array, walk), name, attrs]
    return walk.join("series", [walk.encode(class_name(type(value))), *parts])


def _index(value: Any, walk: Walk) -> bytes:
    names = walk.encode(list(value.names))
    if isinstance(value, pd.MultiIndex):
        levels = [_array(value.get_level_values(i).array, walk) for i in range(value.nlevels)]
        return walk.join("index", [names, *levels])
    # A RangeIndex is an index of integers that saves memory; a frequency follows from values.
    return walk.join("index", [names, _array(value.array, walk)])


def _array(value: Any, walk: Walk) -> bytes:
    """Encode one column: dtype and values, whatever holds them."""
    dtype = value.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        codes = value.codes.astype("int64")  # their width depends on pandas
        parts = [_array(value.categories.array, walk), walk.encode((dtype.ordered, codes))]
        return walk.join("categorical", parts)
    if isinstance(dtype, pd.SparseDtype):
        return walk.join("sparse", [walk.encode((str(dtype), value.to_dense()))])
    if isinstance(dtype, pd.IntervalDtype):
        edges = [_array(edge.array, walk) for edge in (value.left, value.right)]
        missing = walk.encode(value.isna())
        return walk.join("interval", [walk.encode(str(dtype)), missing, *edges])
    if isinstance(dtype, pd.PeriodDtype):
        return walk.join("period", [walk.encode((str(dtype), value.asi8))])
    if isinstance(dtype, pd.DatetimeTZDtype):
        return walk.join("datetimes", [walk.encode((str(dtype), value.asi8))])
    if isinstance(dtype, pd.StringDtype):
        # What is missing is pandas.NA or a NaN, and so it is in whatever comes of them.
        kind = "string" if dtype.na_value is pd.NA else "str"
        return _nullable(kind, value.to_numpy(dtype=object, na_value=None), value, walk)
    if hasattr(value, "_mask") and hasattr(value, "_data"):
        missing = value.isna()
        data = value.to_numpy(dtype=value._data.dtype, na_value=value._data.dtype.type(0))
        return walk.join("nullable", [walk.encode((str(dtype), missing, data))])
    if isinstance(dtype, pd.api.extensions.ExtensionDtype) and not isinstance(value, _PLAIN):
        return _nullable(str(dtype), value.to_numpy(dtype=object, na_value=None), value, walk)
    return walk.join("column", [walk.encode(value.to_numpy())])


def _nullable(kind: str, data: Any, value: Any, walk: Walk) -> bytes:
    missing = value.isna()
    data = [None if gone else item for item, gone in zip(data, missing, strict=True)]
    return walk.join("nullable", [walk.encode(kind), walk.encode(data)])


def _scalar(value: Any, walk: Walk) -> bytes:
    return walk.compose(class_name(type(value)), repr(value))


def _categorical_dtype(value: Any, walk: Walk) -> bytes:
    # What it prints leaves most of its categories out.
    categories = None if value.categories is None else _array(value.categories.array, walk)
    parts = [walk.encode(value.ordered), walk.encode(None) if categories is None else categories]
    return walk.join("categorical dtype", parts)


def _timestamp(value: Any, walk: Walk) -> bytes:
    return walk.compose("timestamp", value.unit, value.value, value.tzinfo, value.fold)


def _missing(_: Any, walk: Walk) -> bytes:
    return walk.compose("pandas.NA")


ENCODERS: dict[type, Encoder] = {
    pd.DataFrame: _frame,
    pd.Series: _series,
    pd.Index: _index,
    pd.api.extensions.ExtensionArray: _array,
    pd.api.extensions.ExtensionDtype: _scalar,
    pd.CategoricalDtype: _categorical_dtype,
    pd.Timestamp: _timestamp,
    pd.Timedelta: lambda value, walk: walk.compose("timedelta64", value.unit, value.value),
    pd.Period: _scalar,
    pd.Interval: lambda value, walk: walk.compose(
        "interval", value.left, value.right, value.closed
    ),
    type(pd.NaT): lambda _value, walk: walk.compose("pandas.NaT"),
    type(pd.NA): _missing,
}
