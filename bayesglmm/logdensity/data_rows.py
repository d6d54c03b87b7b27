"""`Rows`: the data as the compiled density reads them, rows that share everything but y merged exactly.

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
from bayesglmm.specify.families import Merge
from bayesglmm.specify.model import Model

__all__ = ["Rows"]

_GAIN = 1.5
"""Merging must reduce the number of rows by this factor at least."""

_STREAMS = 8
"""Rows of one group are interleaved over 8 streams, so that successive additions go to different accumulators (avoids
store-to-load stalls)."""

_SAMPLE = 10_000
"""The least number of rows in the sample that shows whether merging can pay."""

_MOST_CODES = 2**62
"""The number of cells that an int64 can number."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The data of the likelihood, sorted by the levels of the block with most of them and interleaved over 8 streams.

    Sorted, the sums of a group stay in the cache; interleaved, consecutive rows are of different groups (`_STREAMS`).
    The posterior is the same for any order.

    Parameters
    ----------
    x
        (n, p) the population-level columns without the intercept, not centred.
    offset
        (n,) the offset, on the scale of the linear predictor.
    y
        (n,) the outcome.
    trials
        (n,) the number of trials, or the exposure of a count; 1 without.
    weight
        (n,) what the log likelihood of each row is multiplied by.
    index
        Per block (n,) the level of each row.
    z
        Per block (n, k) the columns.
    merged_from
        The number of data rows.
    """

    x: NDArray[np.float64]
    offset: NDArray[np.float64]
    y: NDArray[np.float64]
    trials: NDArray[np.float64]
    weight: NDArray[np.float64]
    index: tuple[NDArray[np.int64], ...]
    z: tuple[NDArray[np.float64], ...]
    merged_from: int

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.y)

    @classmethod
    def in_order(cls, model: Model) -> "Rows":
        """Return all rows of the data in their order."""
        design, outcome = model.design, model.design.outcome
        assert outcome is not None
        return cls(
            design.x[:, 1:] if design.has_intercept else design.x,
            design.offset,
            outcome.y,
            design.units,
            outcome.weights_or_ones,
            tuple(block.index for block in design.blocks),
            tuple(block.z for block in design.blocks),
            design.n,
        )

    @classmethod
    def of(cls, model: Model) -> "Rows":
        """Return the rows of the data whose weight is not 0, none merged."""
        return _sorted(_weighted(model), model.design.blocks)

    @classmethod
    def merged(cls, model: Model) -> "Rows":
        """Return merged rows, of the same log likelihood up to a constant."""
        rows, merge = _weighted(model), Merge.of(model.family)
        cell, cells = _cells(_keys(rows, merge), rows.n)
        representative = np.empty(cells, dtype=np.int64)
        representative[cell] = np.arange(rows.n)
        cell_of_merged, y, trials, weight = merge.rows(cell, rows.y, rows.trials, rows.weight)
        merged = replace(_take(rows, representative[cell_of_merged]), y=y, trials=trials, weight=weight)
        if merge.offset is not None:
            merged = replace(merged, offset=merge.offset(cell, rows.offset, rows.weight)[cell_of_merged])
        return _sorted(merged, model.design.blocks)

    @classmethod
    def best(cls, model: Model) -> "Rows":
        """Return the merged rows if they are fewer by a factor of 1.5 or more, those of the data otherwise."""
        rows = _weighted(model)
        if not _may_pay(_keys(rows, Merge.of(model.family)), rows.n):
            return cls.of(model)
        merged = cls.merged(model)
        return merged if _GAIN * merged.n <= rows.n else cls.of(model)


def _weighted(model: Model) -> Rows:
    """Return the rows of the data whose weight is not 0, in their order."""
    rows = Rows.in_order(model)
    return rows if rows.weight.all() else _take(rows, np.flatnonzero(rows.weight))


def _take(rows: Rows, which: NDArray[np.int64]) -> Rows:
    return Rows(
        rows.x[which],
        rows.offset[which],
        rows.y[which],
        rows.trials[which],
        rows.weight[which],
        tuple(index[which] for index in rows.index),
        tuple(z[which] for z in rows.z),
        rows.merged_from,
    )


def _sorted(rows: Rows, blocks: Sequence[BlockDesign]) -> Rows:
    if not blocks:
        return rows
    largest, levels = max(enumerate(len(block.levels) for block in blocks), key=lambda numbered: numbered[1])
    narrow = rows.index[largest].astype(np.min_scalar_type(levels))  # 16 bits: numpy's radix sort, six times faster
    return _take(rows, _interleaved(np.argsort(narrow, kind="stable")))


def _interleaved(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return an order with one row from each of 8 equal parts in turn."""
    length = -(-len(order) // _STREAMS)
    places = np.arange(_STREAMS * length).reshape(_STREAMS, length).T.ravel()
    return order[places[places < len(order)]]


def _keys(rows: Rows, merge: Merge) -> list[NDArray[Any]]:
    """List the columns (n,) in which rows must be equal to be merged."""
    offset = [rows.offset] if merge.offset is None else []
    outcome = [rows.y, rows.trials] if merge.equal_outcomes else []
    return [*rows.index, *rows.x.T, *offset, *outcome, *(column for z in rows.z for column in z.T)]


def _cells(keys: Sequence[NDArray[Any]], n: int) -> tuple[NDArray[np.int64], int]:
    """Return the cell of each row (n,), the same for rows equal in every column, and the number of cells.

    The codes of the columns are the digits of a cell's number; before it overflows an int64, cells are renumbered.
    There is no hashing of rows, hence no collision. −0 equals 0.
    """
    cell, size = np.zeros(n, dtype=np.int64), 1
    for key in keys:
        codes, values = pd.factorize(np.ascontiguousarray(key))
        if size * len(values) > _MOST_CODES:
            cell, distinct = pd.factorize(cell)
            size = len(distinct)
        cell = cell * len(values) + codes
        size *= len(values)
    cell, distinct = pd.factorize(cell)
    return cell, len(distinct)


def _may_pay(keys: Sequence[NDArray[Any]], n: int) -> bool:
    """Return whether merging may pay, by the ties in a sample of the rows.

    If n rows make n / 1.5 cells or fewer, then of s rows drawn without replacement at least s² / 3n are
    expected to repeat another, 33 for s = 10 √n; a third of that is required.
    """
    size = max(_SAMPLE, 10 * math.isqrt(n))
    if size >= n:
        return True
    sample = np.random.default_rng(0).choice(n, size, replace=False)
    _, cells = _cells([key[sample] for key in keys], size)
    return 9 * (size - cells) * n >= size**2
