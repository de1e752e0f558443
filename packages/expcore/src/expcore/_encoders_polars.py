"""polars: frames and series by the names, dtypes and values of their columns."""

# Values of any type pass through here; what is known of them is checked where it is used.
# pyright: reportUnknownArgumentType=false, reportUnknownLambdaType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from expcore._encoders_objects import class_name
from expcore.errors import UndigestableError

if TYPE_CHECKING:
    from expcore._walk import Encoder, Walk


def _frame(value: Any, walk: Walk) -> bytes:
    return walk.join("polars frame", [_series(column, walk) for column in value.get_columns()])


def _series(value: Any, walk: Walk) -> bytes:
    return walk.join("polars series", [walk.encode(value.name), _column(value, walk)])


def _column(value: Any, walk: Walk) -> bytes:
    """Encode dtype and values, however they are cut into chunks."""
    dtype = value.dtype
    kind = walk.encode(str(dtype))
    if dtype in {pl.Categorical, pl.Enum}:
        # The numbers behind the categories depend on what the process saw before.
        labels = value.cast(pl.String)
        return walk.join("column", [kind, walk.encode(labels.to_list())])
    if dtype.is_numeric() or dtype.is_temporal() or dtype == pl.Boolean:
        if dtype.is_decimal() or dtype == pl.Int128:
            return walk.join("column", [kind, walk.encode(value.to_list())])
        numbers = value.to_physical()
        present = numbers.is_not_null().to_numpy()
        data = numbers.drop_nulls().to_numpy()
        return walk.join("column", [kind, walk.encode(present), walk.encode(data)])
    if dtype == pl.Object:
        return walk.join("column", [kind, walk.encode(list(value))])
    items = value.to_list()
    return walk.join("column", [kind, walk.encode(items)])


def _lazy(value: Any, _: Walk) -> bytes:
    raise UndigestableError("", class_name(type(value)), "it is a plan; digest value.collect()")


def _dtype(value: Any, walk: Walk) -> bytes:
    return walk.compose("polars dtype", str(value))


ENCODERS: dict[type, Encoder] = {
    pl.DataFrame: _frame,
    pl.Series: _series,
    pl.LazyFrame: _lazy,
    pl.DataType: _dtype,
    type(pl.Int64): _dtype,
}
