"""The columns a model was built on as plain numbers with a description (levels, dtypes), and back."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.posterior.saved.values import table, text, whole, wrong
from bayesglmm.specify.design import Columns

__all__ = ["pack_columns", "unpack_columns"]

_DIM = "used_row"


def pack_columns(columns: Columns) -> tuple[xr.Dataset, list[dict[str, Any]]]:
    """Return the columns as numbers, and a description of each."""
    arrays: dict[str, Any] = {"rows": (_DIM, columns.rows)}
    described = []
    for position, name in enumerate(columns):
        column = columns[name]
        entry: dict[str, Any] = {"name": name}
        if isinstance(column, pd.Categorical):
            levels = [level.item() if isinstance(level, np.generic) else level for level in column.categories]
            if not {type(level) for level in levels} <= {str, int, float, bool}:
                levels = [str(level) for level in levels]
            entry["levels"] = levels
            if name in columns.reference:
                entry["reference"] = columns.reference[name]
            values: Any = column.codes.astype(np.int32)
        elif column.dtype.kind in "Mm":
            entry["dtype"] = column.dtype.str
            values = column.astype(np.int64)
        else:
            values = column
        arrays[f"column{position}"] = (_DIM, values)
        described.append(entry)
    return xr.Dataset(arrays), described


def unpack_columns(described: Any, dropped: Any, arrays: xr.Dataset) -> Columns:
    """Return the columns.

    Raises
    ------
    StorageError
        If numbers and description are not what `pack_columns` makes.
    """
    if not isinstance(described, list):
        raise wrong("columns", "a list", described)
    rows = _numbers("rows", arrays, "i")
    values: dict[str, Any] = {}
    reference: dict[str, int] = {}
    for position, entry in enumerate(described):
        name = text(f"columns[{position}].name", table(f"columns[{position}]", entry).get("name"))
        if name in values:
            raise wrong("columns", "a list of columns of different names", name)
        values[name] = _column(name, entry, _numbers(f"column{position}", arrays, "if"))
        if "reference" in entry:
            reference[name] = _reference(name, entry)
    return Columns(values, rows, whole("dropped", dropped), reference)


def _column(name: str, entry: Mapping[str, Any], numbers: NDArray[Any]) -> Any:
    if "levels" in entry:
        return _labels(name, entry["levels"], numbers)
    if "dtype" not in entry:
        return numbers
    dtype = np.dtype(text(f"the dtype of '{name}'", entry["dtype"]))
    if dtype.kind not in "Mm" or numbers.dtype.kind != "i":
        raise wrong(f"the dtype of '{name}'", "one of dates or durations", entry["dtype"])
    return numbers.astype(dtype)


def _reference(name: str, entry: Mapping[str, Any]) -> int:
    """Return the former position of the reference level that the user chose."""
    position = whole(f"the reference of '{name}'", entry["reference"])
    if position >= len(entry.get("levels", [])):
        raise wrong(f"the reference of '{name}'", "the former place of one of its levels", position)
    return position


def _labels(name: str, levels: Any, codes: NDArray[Any]) -> pd.Categorical:
    if not isinstance(levels, list) or not all(isinstance(level, str | int | float) for level in levels):
        raise wrong(f"the levels of '{name}'", "a list of texts, numbers or truth values", levels)
    if codes.dtype.kind != "i" or codes.min(initial=0) < 0:
        raise wrong(f"the codes of '{name}'", "whole numbers from 0", codes.min(initial=0))
    dtype = object if all(isinstance(level, str) for level in levels) else None
    return pd.Categorical.from_codes(codes, categories=pd.Index(levels, dtype=dtype))


def _numbers(name: str, arrays: xr.Dataset, dtype_kinds: str) -> NDArray[Any]:
    if name not in arrays or arrays[name].dims != (_DIM,) or arrays[name].dtype.kind not in dtype_kinds:
        raise wrong(f"the array '{name}'", "one number a row", arrays.get(name, "missing"))
    values: NDArray[Any] = arrays[name].values
    if not np.isfinite(values).all():
        raise wrong(f"the array '{name}'", "finite", "NaN or infinite")
    return values
