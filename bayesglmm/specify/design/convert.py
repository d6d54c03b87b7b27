"""One column of a dataframe into numbers, dates or labels: the same whatever container and type it comes in."""

from collections.abc import Iterable, Sequence
from typing import Any
from unicodedata import normalize

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing

__all__ = ["EXACT", "Column", "convert", "is_text", "rows_text"]

type Column = NDArray[Any] | pd.Categorical
"""Numbers (float64, int64), dates (datetime64), or labels (a Categorical without unused levels)."""

EXACT = 2**53
"""Doubles represent all whole numbers up to this size."""


def convert(name: str, series: nw.Series[Any], rows: NDArray[np.int64], declared: bool) -> Column:
    """Return a column without missing values as numbers, dates or labels.

    Labels are in Unicode's NFC, two spellings of one label being one level. Text is sorted by code point, so that
    its first level is the same from any container; a type that declares an order of its levels keeps it.

    Parameters
    ----------
    name
        The column, for errors.
    series
        Its values.
    rows
        (n,) their positions in the data as given, for errors.
    declared
        Whether a dictionary of Arrow stands for a type with an order of its own, as pandas' categories do.
    """
    dtype = series.dtype
    if dtype.is_temporal() and dtype != nw.Time:
        return _utc(series).to_numpy()
    if dtype in (nw.Categorical, nw.Enum):
        levels = _declared_levels(series, declared)
        return _labels(series.to_numpy()) if levels is None else _categories(series.to_numpy(), levels)
    values = series.to_numpy()
    if dtype == nw.Boolean:
        return _booleans(values)
    if dtype.is_integer():
        return _whole(name, values)
    if dtype == nw.Decimal:
        return _decimals(name, values, rows)
    if dtype.is_float():
        return _finite(name, values.astype(np.float64), rows)
    if dtype == nw.String:
        return _labels(values)
    return _from_objects(name, values, rows)


def is_text(series: nw.Series[Any], declared: bool) -> bool:
    """Whether a column is plain text, and not of a type declared to hold levels."""
    dtype = series.dtype
    if dtype in (nw.Categorical, nw.Enum):
        return _declared_levels(series, declared) is None
    return dtype == nw.String or (dtype == nw.Object and all(isinstance(value, str) for value in series.to_numpy()))


def rows_text(rows: Iterable[int]) -> str:
    """Word a list of row positions."""
    positions = list(rows)
    return f"row{'s' if len(positions) != 1 else ''} {listing(positions, 6)} (counting from 0)"


def _utc(series: nw.Series[Any]) -> nw.Series[Any]:
    """Return times in UTC, since numpy has no time zones."""
    if getattr(series.dtype, "time_zone", None) is None:
        return series
    return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _declared_levels(series: nw.Series[Any], declared: bool) -> list[Any] | None:
    """Return the levels in the order that a type declares; None for a type in order of appearance."""
    native = series.to_native()
    if isinstance(native, pd.Series):
        return list(native.cat.categories) if isinstance(native.dtype, pd.CategoricalDtype) else None
    if isinstance(series.dtype, nw.Enum):
        return list(series.dtype.categories)
    if declared or getattr(getattr(native, "type", None), "ordered", False):  # a dictionary of Arrow
        return list(native.unify_dictionaries().chunk(0).dictionary.to_pylist())
    return None


def _categories(values: NDArray[Any], levels: Sequence[Any]) -> pd.Categorical:
    """Return labels in a given order, two spellings of one label as one level."""
    categorical = pd.Categorical(values, categories=pd.Index(levels)).remove_unused_categories()
    composed = [_composed(level) for level in categorical.categories]
    if composed == list(categorical.categories):
        return categorical
    distinct = list(dict.fromkeys(composed))
    return _merged(categorical.codes, composed, distinct)


def _labels(values: NDArray[Any]) -> pd.Categorical:
    codes, levels = pd.factorize(np.asarray(values, dtype=object))
    composed = [_composed(level) for level in levels]
    return _merged(codes, composed, sorted(set(composed)))


def _merged(codes: NDArray[Any], levels: Sequence[Any], distinct: Sequence[Any]) -> pd.Categorical:
    """Return codes of levels that may repeat as codes of distinct ones."""
    position = {level: code for code, level in enumerate(distinct)}
    merged = np.array([position[level] for level in levels], dtype=np.int64)[codes]
    return pd.Categorical.from_codes(merged, categories=pd.Index(distinct, dtype=object))


def _composed(level: Any) -> Any:
    return normalize("NFC", level) if isinstance(level, str) else level


def _booleans(values: NDArray[Any]) -> pd.Categorical:
    return pd.Categorical(values.astype(bool), categories=[False, True]).remove_unused_categories()


def _whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    limits = np.iinfo(np.int64)
    if len(values) and not limits.min <= int(values.min()) <= int(values.max()) <= limits.max:
        raise DataError(
            f"column '{name}' holds whole numbers beyond ±2^63; rescale it, or make text of it for a factor"
        )
    return values.astype(np.int64)


def _decimals(name: str, values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return decimal numbers as doubles, unless their whole part would be rounded."""
    large = np.array([abs(value) > EXACT for value in values], dtype=bool)
    if large.any():
        raise DataError(
            f"column '{name}' holds decimal numbers beyond 2^53 in {rows_text(rows[large])}, which a double rounds; "
            "rescale it, or make text of it for a factor"
        )
    return _finite(name, values.astype(np.float64), rows)


def _finite(name: str, values: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    bad = rows[~np.isfinite(values)]
    if len(bad):
        raise DataError(f"column '{name}' is infinite in {rows_text(bad)}; remove or recode these values")
    return values


def _from_objects(name: str, values: NDArray[Any], rows: NDArray[np.int64]) -> Column:
    """Read a column of Python objects, if they are all of one type."""
    types = {type(value) for value in values}
    if types <= {bool, np.bool_}:
        return _booleans(values)
    if all(issubclass(value_type, int | np.integer) and value_type is not bool for value_type in types):
        return _whole(name, values)
    if all(issubclass(value_type, str) for value_type in types):
        return _labels(values)
    if all(
        issubclass(value_type, int | float | np.integer | np.floating) and value_type is not bool
        for value_type in types
    ):
        return _mixed(name, values, rows)
    names = listing(sorted(value_type.__name__ for value_type in types))
    raise DataError(f"column '{name}' holds objects of type {names}; convert it to numbers or to text first")


def _mixed(name: str, values: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return whole numbers among floats as floats, unless that would round them."""
    large = np.array([isinstance(value, int) and abs(value) > EXACT for value in values], dtype=bool)
    if large.any():
        raise DataError(
            f"column '{name}' holds whole numbers beyond 2^53 among floats, in {rows_text(rows[large])}, which a "
            "double rounds; rescale it, or make text of it for a factor"
        )
    return _finite(name, values.astype(np.float64), rows)
