"""`Rows`: what the compiled density reads of the data, with rows that share everything but y merged exactly.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, 2nd ed., 4.1.2, on covariate classes.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayesglmm.specify.design import BlockDesign
from bayesglmm.specify.families import Family, Merge
from bayesglmm.specify.model import Model

__all__ = ["Rows"]

_GAIN = 1.5
"""How many rows must on average become one before merging is worth it."""

_STREAMS = 8
"""Into how many parts rows are dealt: adding to one number again before the last sum is stored would wait for it."""

_SAMPLE = 10_000
"""The rows looked at to find out, at the least."""

_MOST_CODES = 2**62
"""How many cells can be numbered in an int64."""


@dataclass(frozen=True, eq=False)
class Rows:
    """What the density reads of the data, in the order of the levels of the block that has most, eight rows apart.

    In that order sums over the rows of a group stay in the cache. A row of each eighth of them in turn, so that
    rows of one group do not follow one another, whose sums would wait for each other. The posterior is the same for
    any order.

    Parameters
    ----------
    x
        (n, p) the population-level columns without the intercept, not centred.
    offset
        (n,) the offset, on the scale of the linear predictor.
    y
        (n,) the outcome.
    trials
        (n,) the number of trials; without trials the number of rows of the data a row stands for.
    index
        Per block (n,) the level of each row.
    z
        Per block (n, k) the columns.
    merged_from
        The number of rows of the data.
    """

    x: NDArray[np.float64]
    offset: NDArray[np.float64]
    y: NDArray[np.float64]
    trials: NDArray[np.float64]
    index: tuple[NDArray[np.int64], ...]
    z: tuple[NDArray[np.float64], ...]
    merged_from: int

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.y)

    @classmethod
    def of(cls, model: Model) -> "Rows":
        """Return the rows of the data, none merged."""
        return _sorted(_given(model), model.design.blocks)

    @classmethod
    def merged(cls, model: Model) -> "Rows":
        """Return fewer rows of the same log likelihood up to a constant; those of the data if the family has no way."""
        rows, merge = _given(model), _merge(model.family)
        if merge is None:
            return cls.of(model)
        cell, cells = _cells(_keys(rows, merge), rows.n)
        any_row = np.empty(cells, dtype=np.int64)
        any_row[cell] = np.arange(rows.n)
        at, y, trials = merge.rows(cell, rows.y, rows.trials)
        fewer = replace(_take(rows, any_row[at]), y=y, trials=trials)
        if merge.offset is not None:
            fewer = replace(fewer, offset=merge.offset(cell, rows.offset)[at])
        return _sorted(fewer, model.design.blocks)

    @classmethod
    def best(cls, model: Model) -> "Rows":
        """Return the merged rows if they are fewer by a factor of 1.5 or more, those of the data otherwise."""
        rows, merge = _given(model), _merge(model.family)
        if merge is None or not _promising(_keys(rows, merge), rows.n):
            return cls.of(model)
        merged = cls.merged(model)
        return merged if _GAIN * merged.n <= rows.n else cls.of(model)


def _given(model: Model) -> Rows:
    """Return the rows of the data in their own order."""
    design, outcome = model.design, model.design.outcome
    assert outcome is not None
    return Rows(
        design.x[:, 1:] if design.has_intercept else design.x,
        design.offset,
        outcome.y,
        np.ones(design.n) if outcome.trials is None else outcome.trials,
        tuple(block.index for block in design.blocks),
        tuple(block.z for block in design.blocks),
        design.n,
    )


def _take(rows: Rows, which: NDArray[np.int64]) -> Rows:
    return Rows(
        rows.x[which],
        rows.offset[which],
        rows.y[which],
        rows.trials[which],
        tuple(index[which] for index in rows.index),
        tuple(z[which] for z in rows.z),
        rows.merged_from,
    )


def _sorted(rows: Rows, blocks: Sequence[BlockDesign]) -> Rows:
    if not blocks:
        return rows
    most, levels = max(enumerate(len(block.levels) for block in blocks), key=lambda numbered: numbered[1])
    narrow = rows.index[most].astype(np.min_scalar_type(levels))  # numpy sorts 16 bits by radix, six times faster
    return _take(rows, _interleaved(np.argsort(narrow, kind="stable")))


def _interleaved(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Take a row of each eighth in turn."""
    each = -(-len(order) // _STREAMS)
    places = np.arange(_STREAMS * each).reshape(_STREAMS, each).T.ravel()
    return order[places[places < len(order)]]


def _merge(family: Family) -> Merge | None:
    """Return how the rows of a family merge under its link."""
    merge = family.merge
    return None if merge is None or (merge.under is not None and not merge.under(family.link)) else merge


def _keys(rows: Rows, merge: Merge) -> list[NDArray[Any]]:
    """List the columns (n,) in which rows are equal that merge."""
    offset = [rows.offset] if merge.offset is None else []
    return [*rows.index, *rows.x.T, *offset, *(column for z in rows.z for column in z.T)]


def _cells(keys: Sequence[NDArray[Any]], n: int) -> tuple[NDArray[np.int64], int]:
    """Return the number of each row (n,), equal for rows equal in every column, and how many there are from 0.

    Columns are taken as digits of one number; when it would leave an int64, the numbers in use are
    numbered anew. No hash stands for a row, so rows that differ cannot fall together. −0 equals 0.
    """
    cell, size = np.zeros(n, dtype=np.int64), 1
    for key in keys:
        codes, values = pd.factorize(np.ascontiguousarray(key))
        if size * len(values) > _MOST_CODES:
            cell, found = pd.factorize(cell)
            size = len(found)
        cell = cell * len(values) + codes
        size *= len(values)
    cell, found = pd.factorize(cell)
    return cell, len(found)


def _promising(keys: Sequence[NDArray[Any]], n: int) -> bool:
    """Return whether a sample of the rows leaves it possible that merging pays.

    If n rows make n / 1.5 cells or fewer, then of s rows drawn without replacement at least s² / 3n are
    expected to repeat another, 33 for s = 10 √n; a third of that is asked for.
    """
    size = max(_SAMPLE, 10 * math.isqrt(n))
    if size >= n:
        return True
    sample = np.random.default_rng(0).choice(n, size, replace=False)
    _, cells = _cells([key[sample] for key in keys], size)
    return 9 * (size - cells) * n >= size**2
