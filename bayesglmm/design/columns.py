"""The columns a formula names, read from any dataframe into numpy and pandas arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, choose, listing, suggest

__all__ = ["Column", "Columns", "rows_text"]

type Column = NDArray[Any] | pd.Categorical
"""Numbers (float64, int64), dates (datetime64), or labels (a Categorical without unused levels)."""


@dataclass(frozen=True, eq=False)
class Columns(Mapping[str, Column]):
    """The columns used, by name, each of length n and without missing values; names and labels in Unicode's NFC.

    Parameters
    ----------
    values_by_name
        The columns.
    rows
        (n,) positions of the rows in the data as given, counting from 0.
    dropped
        How many rows went because a value was missing.
    """

    values_by_name: Mapping[str, Column]
    rows: NDArray[np.int64]
    dropped: int = 0

    def __getitem__(self, name: str) -> Column:
        """Return a column."""
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return iter(self.values_by_name)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self.values_by_name)

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.rows)

    def take(self, names: Iterable[str]) -> "Columns":
        """Return the columns named, in that order."""
        names = list(names)
        _check_present(names, list(self))
        return Columns({name: self[name] for name in names}, self.rows, self.dropped)

    def widened(self, data: Any, names: Iterable[str], *, missing: str = "error") -> "Columns":
        """Return columns of the table that these were read from, on the same rows.

        Parameters
        ----------
        data
            The table.
        names
            The columns wanted, among them some of these.
        missing
            As in `read`, of the columns that are new.

        Raises
        ------
        DataError
            As `read`, and if the table is no longer what it was.
        """
        frame, names = _frame(data), list(names)
        _check_present(names, list(_spellings(frame.columns)))
        fits = len(frame) > int(self.rows.max())
        read = Columns.read(frame[self.rows.tolist()].to_native(), names, missing=missing) if fits else None
        if read is None or any(not _equal(read[name], self[name], read.rows) for name in names if name in self):
            raise DataError(
                "the table that the model was made from has been changed since; pass the one to use as data="
            )
        return Columns(read.values_by_name, self.rows[read.rows], self.dropped + read.dropped)

    def to_pandas(self) -> pd.DataFrame:
        """Return the columns as a DataFrame, indexed by their rows in the data as given."""
        return pd.DataFrame({name: pd.Series(self[name], index=self.rows) for name in self}, index=self.rows)

    @classmethod
    def read(
        cls, data: Any, names: Iterable[str], *, missing: str = "error", optional: Iterable[str] = ()
    ) -> "Columns":
        """Read columns from a dataframe.

        Parameters
        ----------
        data
            Any eager dataframe narwhals reads (pandas, polars, pyarrow …), or a mapping of arrays.
        names
            The columns wanted.
        missing
            `"error"` refuses missing values, `"drop"` leaves their rows out.
        optional
            Names that may be absent; they are read where present.

        Raises
        ------
        DataError
            For anything else than a dataframe, an absent column, an empty table, a missing or an
            infinite value, or a type that is neither numbers nor labels.
        """
        choose("missing", missing, ("error", "drop"))
        if isinstance(data, Columns):
            wanted = [*names, *(name for name in optional if name in data)]
            _check_present(wanted, list(data))
            return data.take(wanted)
        frame = _frame(data)
        spelt = _spellings(frame.columns)
        wanted = list(dict.fromkeys([*names, *(name for name in optional if name in spelt)]))
        _check_present(wanted, list(spelt))
        if len(frame) == 0:
            raise DataError("the data have no rows; check the file or the filter that made them")
        series = {name: frame[spelt[name]] for name in wanted}
        keep = _complete({name: _is_missing(s) for name, s in series.items()}, len(frame), missing)
        rows = np.flatnonzero(keep).astype(np.int64)
        if not keep.all():  # before any conversion: whole numbers with gaps would pass through floats
            series = {name: s.filter(keep.tolist()) for name, s in series.items()}
        values = {name: _in_nfc(_convert(name, s, rows)) for name, s in series.items()}
        return cls(values, rows, len(frame) - len(rows))


def _equal(new: Column, old: Column, rows: NDArray[np.int64]) -> bool:
    """Whether a column read again is what it was in these rows."""
    if isinstance(new, pd.Categorical) != isinstance(old, pd.Categorical):
        return False
    return bool(np.array_equal(np.asarray(new), np.asarray(old)[rows]))


def rows_text(rows: Iterable[int]) -> str:
    """Word a list of row positions."""
    positions = list(rows)
    return f"row{'s' if len(positions) != 1 else ''} {listing(positions, 6)} (counting from 0)"


def _check_present(wanted: Iterable[str], present: Sequence[str]) -> None:
    known = set(present)
    for name in wanted:
        if name not in known:
            raise DataError(f"there is no column '{name}' in the data; {suggest(name, present)}")


def _frame(data: Any) -> nw.DataFrame[Any]:
    if isinstance(data, Mapping):
        try:
            data = pd.DataFrame(dict(data))
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the mapping cannot be made into a table ({error}); give every column as a list or an array, all of "
                "one length"
            ) from error
    if isinstance(data, pd.DataFrame):
        data = _with_text_names(data)
    try:
        return nw.from_native(data, eager_only=True)
    except TypeError as error:
        lazy = "; collect it first: data.collect()" if hasattr(data, "collect") else ""
        raise DataError(
            f"data is a dataframe (pandas, polars, pyarrow …) or a mapping of columns, not {type(data).__name__}{lazy}"
        ) from error
    except nw.exceptions.DuplicateError as error:
        raise DataError(f"a column name stands more than once in the data: {error}; rename one") from error


def _with_text_names(data: pd.DataFrame) -> pd.DataFrame:
    if isinstance(data.columns, pd.MultiIndex):
        raise DataError("the data have hierarchical column names; flatten them to plain strings first")
    names = pd.Index([str(name) for name in data.columns], dtype=object)
    repeated = names[names.duplicated()].unique()
    if len(repeated):
        raise DataError(f"a column name stands more than once in the data: {listing(repeated)}; rename or drop one")
    return data if all(isinstance(name, str) for name in data.columns) else data.set_axis(names, axis=1)


def _spellings(names: Iterable[str]) -> dict[str, str]:
    """Return the names as spelt in the data by their composed form: é may be one character there, or two."""
    spelt: dict[str, str] = {}
    for name in names:
        composed = normalize("NFC", name)
        if composed in spelt:
            raise DataError(f"two columns are called '{composed}', in different Unicode spellings; rename one")
        spelt[composed] = name
    return spelt


def _in_nfc(column: Column) -> Column:
    """Return labels in their composed form; two spellings of one label are one level."""
    if not isinstance(column, pd.Categorical):
        return column
    levels = [normalize("NFC", level) if isinstance(level, str) else level for level in column.categories]
    if levels == list(column.categories):
        return column
    distinct = list(dict.fromkeys(levels))
    codes = np.array([distinct.index(level) for level in levels])[column.codes]
    return pd.Categorical.from_codes(codes, categories=pd.Index(distinct, dtype=object))


def _is_missing(series: nw.Series[Any]) -> NDArray[np.bool_]:
    absent = series.is_null().to_numpy().astype(bool)
    if series.dtype.is_float():
        absent = absent | np.isnan(series.to_numpy().astype(float))
    return np.asarray(absent, dtype=bool)


def _complete(absent: Mapping[str, NDArray[np.bool_]], n: int, missing: str) -> NDArray[np.bool_]:
    """Return which rows are complete, or refuse those that are not."""
    keep = np.ones(n, dtype=bool)
    for gone in absent.values():
        keep &= ~gone
    if keep.all():
        return keep
    counts = {name: int(gone.sum()) for name, gone in absent.items() if gone.any()}
    counted = listing(f"'{name}' {count}" for name, count in counts.items())
    if missing != "drop":
        raise DataError(
            f"{n - int(keep.sum())} of {n} rows have missing values ({counted}); "
            'pass missing="drop" to leave those rows out, or impute them first'
        )
    if not keep.any():
        raise DataError(f"every row has a missing value ({counted}); nothing is left to fit")
    return keep


def _convert(name: str, series: nw.Series[Any], rows: NDArray[np.int64]) -> Column:
    """Return a column without missing values as numbers, dates or labels."""
    dtype = series.dtype
    if dtype.is_temporal() and dtype != nw.Time:
        return _utc(series).to_numpy()
    if dtype in (nw.Categorical, nw.Enum):
        return _categories(series)
    values = series.to_numpy()
    if dtype == nw.Boolean:
        return _booleans(values)
    if dtype.is_integer():
        return _whole(name, values)
    if dtype.is_float() or dtype == nw.Decimal:
        return _finite(name, values.astype(np.float64), rows)
    if dtype == nw.String:
        return _labels(values)
    return _from_objects(name, values, rows)


def _utc(series: nw.Series[Any]) -> nw.Series[Any]:
    """Return times on one clock, since numpy has no time zones."""
    if getattr(series.dtype, "time_zone", None) is None:
        return series
    return series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)


def _categories(series: nw.Series[Any]) -> pd.Categorical:
    """Return labels in the order their type declares, sorted where it declares none."""
    native = series.to_native()
    values = series.to_numpy()
    if isinstance(native, pd.Series):
        levels = list(native.cat.categories)
    elif isinstance(series.dtype, nw.Enum):
        levels = list(series.dtype.categories)
    elif getattr(getattr(native, "type", None), "ordered", False):  # an ordered dictionary of Arrow
        levels = native.unify_dictionaries().chunk(0).dictionary.to_pylist()
    else:
        return _labels(values)
    return pd.Categorical(values, categories=pd.Index(levels)).remove_unused_categories()


def _booleans(values: NDArray[Any]) -> pd.Categorical:
    return pd.Categorical(values.astype(bool), categories=[False, True]).remove_unused_categories()


def _whole(name: str, values: NDArray[Any]) -> NDArray[np.int64]:
    limits = np.iinfo(np.int64)
    if len(values) and not limits.min <= int(values.min()) <= int(values.max()) <= limits.max:
        raise DataError(
            f"column '{name}' holds whole numbers beyond ±2^63; rescale it, or make text of it for a factor"
        )
    return values.astype(np.int64)


def _finite(name: str, values: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    bad = rows[~np.isfinite(values)]
    if len(bad):
        raise DataError(f"column '{name}' is infinite in {rows_text(bad)}; remove or recode these values")
    return values


def _labels(values: NDArray[Any]) -> pd.Categorical:
    codes, levels = pd.factorize(np.asarray(values, dtype=object), sort=True)
    return pd.Categorical.from_codes(codes, categories=pd.Index(levels, dtype=object))


def _from_objects(name: str, values: NDArray[Any], rows: NDArray[np.int64]) -> Column:
    """Read a column of Python objects, if they are all of one kind."""
    kinds = {type(value) for value in values}
    if kinds <= {bool, np.bool_}:
        return _booleans(values)
    if all(issubclass(kind, int | np.integer) and kind is not bool for kind in kinds):
        return _whole(name, values)
    if all(issubclass(kind, str) for kind in kinds):
        return _labels(values)
    if all(issubclass(kind, int | float | np.integer | np.floating) and kind is not bool for kind in kinds):
        return _finite(name, values.astype(np.float64), rows)
    found = listing(sorted(kind.__name__ for kind in kinds))
    raise DataError(f"column '{name}' holds objects of type {found}; convert it to numbers or to text first")
