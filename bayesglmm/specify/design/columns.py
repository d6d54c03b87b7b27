"""The columns a formula names, read from any dataframe into numpy and pandas arrays."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import normalize

import narwhals as nw
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, OptionError, choose, listing, suggest
from bayesglmm.specify.design.convert import Column, convert, is_text, rows_text
from bayesglmm.specify.design.levels import factorize, label, relabel

__all__ = ["Column", "Columns", "rows_text"]


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
        The number of rows dropped for a missing value.
    reference
        By column whose first level is a reference level of the user's: the position that the level had before.
    text
        The columns that are plain text in the data; empty where that is not known.
    """

    values_by_name: Mapping[str, Column]
    rows: NDArray[np.int64]
    dropped: int = 0
    reference: Mapping[str, int] = field(default_factory=dict)
    text: Collection[str] = frozenset()

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
        reference = {name: level for name, level in self.reference.items() if name in names}
        return replace(self, values_by_name={name: self[name] for name in names}, reference=reference)

    def at(self, rows: NDArray[np.int64]) -> "Columns":
        """Return the columns in some of the rows, (r,) positions in their order, which may repeat."""
        return replace(self, values_by_name={name: self[name][rows] for name in self}, rows=self.rows[rows])

    def with_reference(self, reference: Mapping[str, Any]) -> "Columns":
        """Return the columns with the given reference levels first among their levels; numbers become labels.

        Raises
        ------
        OptionError
            For a level that a column does not have.
        """
        before = {name: self.reference.get(name, 0) for name in reference}
        values, positions = {}, {}
        for name, level in reference.items():
            values[name], positions[name] = _with_first(name, self[name], level, before[name])
        return replace(
            self, values_by_name={**self.values_by_name, **values}, reference={**self.reference, **positions}
        )

    @property
    def references(self) -> dict[str, Any]:
        """The reference levels of the user's, by column."""
        return {name: pd.Categorical(self[name]).categories[0] for name in self.reference}

    def widened(self, data: Any, names: Iterable[str], *, missing: str = "error") -> "Columns":
        """Return further columns of the table that these were read from, on the same rows.

        Parameters
        ----------
        data
            The table.
        names
            The columns to return, some of them among these.
        missing
            As in `read`, of the columns that are new.

        Raises
        ------
        DataError
            As `read`, and if the table has changed since.
        """
        table, names = _table(data), list(names)
        _check_present(names, list(_spellings(table.columns)))
        fits = len(table) > int(self.rows.max())
        read = Columns.read(table[self.rows.tolist()].to_native(), names, missing=missing) if fits else None
        compared = [name for name in names if name in self and name not in self.reference]
        if read is None or any(not _equal(read[name], self[name], read.rows) for name in compared):
            raise DataError(
                "the table that the model was made from has been changed since; pass the one to use as data="
            )
        return replace(read, rows=self.rows[read.rows], dropped=self.dropped + read.dropped)

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
            The columns to read.
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
            present = [*names, *(name for name in optional if name in data)]
            _check_present(present, list(data))
            return data.take(present)
        table = _table(data)
        spelt = _spellings(table.columns)
        present = list(dict.fromkeys([*names, *(name for name in optional if name in spelt)]))
        _check_present(present, list(spelt))
        if len(table) == 0:
            raise DataError("the data have no rows; check the file or the filter that made them")
        series = {name: table[spelt[name]] for name in present}
        keep = _complete({name: _is_missing(s) for name, s in series.items()}, len(table), missing)
        rows = np.flatnonzero(keep).astype(np.int64)
        if not keep.all():  # before any conversion: whole numbers with gaps would pass through floats
            series = {name: s.filter(keep.tolist()) for name, s in series.items()}
        declared = _pandas_categories(table.to_native())
        values = {name: convert(name, s, rows, spelt[name] in declared) for name, s in series.items()}
        text = frozenset(name for name, s in series.items() if is_text(s, spelt[name] in declared))
        return cls(values, rows, len(table) - len(rows), {}, text)


def _equal(new: Column, old: Column, rows: NDArray[np.int64]) -> bool:
    """Whether a column read again is what it was in these rows."""
    if isinstance(new, pd.Categorical) != isinstance(old, pd.Categorical):
        return False
    return bool(np.array_equal(np.asarray(new), np.asarray(old)[rows]))


def _check_present(names: Iterable[str], present: Sequence[str]) -> None:
    known = set(present)
    for name in names:
        if name not in known:
            raise DataError(f"there is no column '{name}' in the data; {suggest(name, present)}")


def _table(data: Any) -> nw.DataFrame[Any]:
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
    """Return the names in the data by their composed Unicode form (NFC): é may be one character or two."""
    spelt: dict[str, str] = {}
    for name in names:
        composed = normalize("NFC", name)
        if composed in spelt:
            raise DataError(f"two columns are called '{composed}', in different Unicode spellings; rename one")
        spelt[composed] = name
    return spelt


def _pandas_categories(native: Any) -> set[str]:
    """Return the columns of an Arrow table that were pandas categories, whose order of levels is kept."""
    described = getattr(getattr(native, "schema", None), "pandas_metadata", None)
    columns = described.get("columns", []) if isinstance(described, Mapping) else []
    return {str(column.get("field_name")) for column in columns if column.get("pandas_type") == "categorical"}


def _with_first(name: str, column: Column, level: Any, before: int) -> tuple[pd.Categorical, int]:
    """Return labels with `level` first, and its earlier position; `before` is that of the present first level."""
    labels = factorize(column)
    first, *others = labels.categories
    levels = [*others[:before], first, *others[before:]]
    (code,) = relabel(pd.Categorical([level]), levels)
    if code < 0:
        known = [label(other) for other in levels]
        raise OptionError(f"reference[{name!r}]={level!r} is not a level of '{name}'; {suggest(str(level), known)}")
    return labels.reorder_categories([levels[code], *levels[:code], *levels[code + 1 :]]), int(code)


def _is_missing(series: nw.Series[Any]) -> NDArray[np.bool_]:
    absent = series.is_null().to_numpy().astype(bool)
    if series.dtype.is_float():
        absent = absent | np.isnan(series.to_numpy().astype(float))
    return np.asarray(absent, dtype=bool)


def _complete(absent: Mapping[str, NDArray[np.bool_]], n: int, missing: str) -> NDArray[np.bool_]:
    """Return which rows are complete, or refuse those that are not."""
    keep = np.ones(n, dtype=bool)
    for missing_here in absent.values():
        keep &= ~missing_here
    if keep.all():
        return keep
    counts = {name: int(rows.sum()) for name, rows in absent.items() if rows.any()}
    counted = listing(f"'{name}' {count}" for name, count in counts.items())
    if missing != "drop":
        raise DataError(
            f"{n - int(keep.sum())} of {n} rows have missing values ({counted}); "
            'pass missing="drop" to leave those rows out, or impute them first'
        )
    if not keep.any():
        raise DataError(f"every row has a missing value ({counted}); nothing is left to fit")
    return keep
