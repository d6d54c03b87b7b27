"""Grouping factors: an index per row and the observed levels, never dummies."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.errors import DataError, listing
from bayesglmm.specify.design.codes import as_factor
from bayesglmm.specify.design.columns import Columns, rows_text
from bayesglmm.specify.design.levels import label, relabel
from bayesglmm.specify.formula import Call, Name, Term, column_names, render

__all__ = ["Grouping"]


@dataclass(frozen=True, eq=False)
class Grouping:
    """The levels of a grouping factor, as observed; an interaction has only the combinations observed.

    Parameters
    ----------
    group
        The factor, or several joined by colons.
    levels
        One label a level; for an interaction the labels joined by colons.
    """

    group: Term
    levels: tuple[Any, ...]
    _factor_levels: tuple[tuple[Any, ...], ...]
    _position: Mapping[tuple[int, ...], int]

    @classmethod
    def learn(cls, group: Term, columns: Columns) -> tuple["Grouping", NDArray[np.int64]]:
        """Learn the levels and index the rows.

        Returns
        -------
        grouping, index
            The index has shape (n,), with values in 0 … len(levels) − 1.

        Raises
        ------
        DataError
            For fractional labels, or a single level.
        """
        for factor in group.factors:
            _check_whole(factor, columns)
        factors = [as_factor(factor, columns) for factor in group.factors]
        codes = np.column_stack([factor.codes.astype(np.int64) for factor in factors])
        observed, index = np.unique(codes, axis=0, return_inverse=True)
        names = [tuple(factor.categories) for factor in factors]
        levels = [tuple(names[j][code] for j, code in enumerate(combination)) for combination in observed]
        if len(levels) < 2:
            raise DataError(
                f"grouping factor '{group}' has a single level ({_label(levels[0])}): a standard deviation between "
                "groups cannot be learned from one; drop the block"
            )
        labels = tuple(_label(level) for level in levels)
        if len({str(text) for text in labels}) < len(labels):
            raise DataError(f"grouping factor '{group}' has levels whose labels read the same; rename them in the data")
        position = {tuple(int(code) for code in combination): i for i, combination in enumerate(observed)}
        return cls(group, labels, tuple(names), position), index.reshape(-1).astype(np.int64)

    def index(self, columns: Columns) -> NDArray[np.int64]:
        """Index the rows of new data, shape (n,): −1 for a level never observed, or where the column is absent."""
        if any(name not in columns for name in column_names(*self.group.factors)):
            return np.full(columns.n, -1, dtype=np.int64)
        codes = np.column_stack(
            [
                relabel(as_factor(factor, columns), levels)
                for factor, levels in zip(self.group.factors, self._factor_levels, strict=True)
            ]
        )
        combinations, inverse = np.unique(codes, axis=0, return_inverse=True)
        known = np.array([self._position.get(tuple(int(c) for c in row), -1) for row in combinations], dtype=np.int64)
        return known[inverse.reshape(-1)]

    def extended(self, columns: Columns) -> "Grouping":
        """Return the grouping with the unknown levels of new data appended, in their order."""
        names = [list(levels) for levels in self._factor_levels]
        codes = []
        for factor, known in zip(self.group.factors, names, strict=True):
            values = as_factor(factor, columns)
            unknown = np.unique(values.codes[relabel(values, known) < 0])
            known += [values.categories[code] for code in unknown]
            codes.append(relabel(values, known))
        position = dict(self._position)
        levels = list(self.levels)
        for combination in sorted({tuple(int(code) for code in row) for row in zip(*codes, strict=True)}):
            if combination not in position:
                position[combination] = len(levels)
                levels.append(_label(tuple(names[j][code] for j, code in enumerate(combination))))
        return Grouping(self.group, tuple(levels), tuple(tuple(known) for known in names), position)

    def labels(self, columns: Columns) -> NDArray[np.object_]:
        """Return the label of every row of new data, known or not, shape (n,)."""
        parts = [np.asarray(as_factor(factor, columns), dtype=object) for factor in self.group.factors]
        return np.array([_label(tuple(row)) for row in zip(*parts, strict=True)], dtype=object)


def _check_whole(factor: Name | Call, columns: Columns) -> None:
    """Refuse a plain column of fractions as a grouping factor."""
    if not isinstance(factor, Name):
        return
    column = columns[factor.name]
    if isinstance(column, pd.Categorical) or column.dtype.kind != "f":
        return
    bad = column != np.floor(column)
    if bad.any():
        raise DataError(
            f"grouping factor '{render(factor)}' holds fractions ({listing(column[bad][:3])} in "
            f"{rows_text(columns.rows[bad])}) and has {len(np.unique(column))} distinct values; groups are labelled by "
            f"text or whole numbers: write factor({render(factor)}) if every distinct value is a group"
        )


def _label(level: tuple[Any, ...]) -> Any:
    """Return an int or a text for one level, and joined texts for a combination."""
    if len(level) > 1:
        return ":".join(label(part) for part in level)
    (only,) = level
    if isinstance(only, bool | np.bool_):
        return label(bool(only))
    return int(only) if isinstance(only, int | np.integer) else label(only)
