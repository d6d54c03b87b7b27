"""Each coefficient's maximum likelihood estimate given X, or given the groups: finite, infinite or not identified.

Given the groups, their effects e are coefficients of fixed columns Z, maximised over. Rows that Z alone predicts
without error (a group all zero or all one) are not informative about the coefficients. On the informative rows, a null
direction d has an e with x·d + z·e = 0 in every row; a coefficient with an entry in one is not identified. Along a
recession direction with a strict row (see `programme`) the likelihood rises to infinity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Cells, Mask, null_directions
from bayesglmm.sensitivity.separation.programme import (
    Cone,
    Unsolved,
    has_entry,
    no_strict_row,
    strict_by_single_columns,
    strict_rows,
)
from bayesglmm.sensitivity.separation.result import Estimate
from bayesglmm.sensitivity.separation.within import differences

__all__ = ["Recession", "recession"]

type Array = NDArray[np.float64]

_FIRST = 2_000
"""Cells in the first sample: if it has no recession direction but null directions, neither have all cells."""

_MOST, _MOST_PLAIN = 200_000, 2_000_000
"""The largest number of cells in a linear programme, with columns of groups and without."""

_SMALL = 1e-6
"""The largest entry of a direction of length 1 that counts as 0."""


@dataclass(frozen=True, eq=False)
class Recession:
    """The estimates, and the cells that separation predicts without error.

    Parameters
    ----------
    estimates
        One a coefficient.
    strict
        (c,) informative cells whose likelihood rises along a recession direction.
    informative
        (c,) cells that the effects of the groups alone do not predict without error; given X all.
    """

    estimates: tuple[Estimate, ...]
    strict: Mask
    informative: Mask


def recession(cells: Cells) -> Recession:
    """Return each coefficient's estimate given the groups of cells; given X where they have no factors.

    Raises
    ------
    Unsolved
        If more cells must be looked at together than the linear programme is given, or it is not solved.
    """
    pairs = differences(cells)
    if pairs is not None:
        of_pairs = recession(pairs.cells)
        return Recession(of_pairs.estimates, pairs.strict(of_pairs.strict, cells), pairs.informative(cells))
    problem = _Problem.of(cells)
    strict, informative = _strict(problem)
    null = problem.null_directions(informative)
    null_of_others = problem.null_directions(informative & ~strict) if strict.any() else null
    estimates = tuple(_estimate(problem, informative, k, null[k], null_of_others[k]) for k in range(cells.x.shape[1]))
    return Recession(estimates, strict, informative)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Cells with columns scaled to entries of at most 1, the cone of all columns, and that of the groups alone."""

    cells: Cells
    joint: Cone
    alone: Cone

    @classmethod
    def of(cls, cells: Cells) -> "_Problem":
        x = cells.x / np.maximum(np.abs(cells.x).max(axis=0, initial=0.0), np.finfo(float).tiny)
        none = sp.csr_matrix((len(x), 0))
        z = sp.hstack([none, *(factor.columns for factor in cells.factors)], format="csr")
        joint = Cone.of(sp.hstack([sp.csr_matrix(x), z]), cells.up, cells.down)
        return cls(replace(cells, x=x), joint, Cone.of(z, cells.up, cells.down))

    @property
    def groups_have_single_columns(self) -> bool:
        """Whether single columns show all that the groups alone separate: one factor with one column a level."""
        return len(self.cells.factors) <= 1 and all(factor.z.shape[1] == 1 for factor in self.cells.factors)

    def null_directions(self, rows: Mask) -> Array:
        """Return a basis (p, r) of the directions that the groups absorb in every one of the rows."""
        return null_directions(self.cells.x[rows], [factor.rows(rows) for factor in self.cells.factors])

    def strict(self, rows: Mask) -> tuple[Mask, Mask]:
        """Return which of the rows are strict and informative, and which are informative."""
        return self.informative(rows, _within(self.joint, rows))

    def informative(self, rows: Mask, strict: Mask) -> tuple[Mask, Mask]:
        """As `strict`, from the strict rows of the joint cone: rows that the groups alone predict are removed."""
        remaining = rows.copy()
        if strict.any() and not self.groups_have_single_columns:
            restricted = Cone(self.alone.w, self.alone.up & strict, self.alone.down & strict)
            remaining &= ~_by_groups(restricted, rows)
        return strict & remaining, remaining


def _within(cone: Cone, rows: Mask) -> Mask:
    """Return which of some rows are strict in the cone of those rows, (c,)."""
    strict = np.zeros(len(rows), dtype=np.bool_)
    strict[rows] = strict_rows(cone.rows(rows))
    return strict


def _by_groups(alone: Cone, rows: Mask) -> Mask:
    """As `_within` in the cone of the groups' columns, where it is often proved quickly that no row is strict."""
    return np.zeros(len(rows), dtype=np.bool_) if no_strict_row(alone.rows(rows)) else _within(alone, rows)


def _strict(problem: _Problem) -> tuple[Mask, Mask]:
    """Return which cells are strict and informative, and which are informative.

    Cells that single columns show to be strict are removed first. If the remaining ones have no recession directions
    but null directions, their strict cells are those of the groups alone.
    """
    informative = ~strict_by_single_columns(problem.alone)
    remaining = informative.copy()
    remaining[informative] = ~strict_by_single_columns(problem.joint.rows(informative))
    strict = informative & ~remaining
    only_null = _only_null_directions(problem, remaining)
    if only_null and (problem.groups_have_single_columns or not strict.any()):
        return strict, informative
    unsolved = remaining if problem.groups_have_single_columns else informative
    if unsolved.sum() > (_MOST if problem.cells.factors else _MOST_PLAIN):
        raise Unsolved("too many distinct rows")
    if only_null:
        return problem.informative(informative, strict | _by_groups(problem.alone, remaining))
    return problem.strict(informative)


def _estimate(problem: _Problem, informative: Mask, k: int, null: Array, null_of_others: Array) -> Estimate:
    """Return the estimate of coefficient k from its entries in null directions: of all cells, and of those not strict.

    Along some recession direction every strict row rises, so the recession directions are an open subset of the null
    directions of the other rows: some of them have an entry in k if any of these null directions has, and then the
    estimate is infinite.
    """
    if not (np.abs(null_of_others) > _SMALL).any():
        return "finite"
    if (np.abs(null) > _SMALL).any():
        return "not identified"
    for sample in (*_samples(problem, informative), informative):
        cone = problem.joint.rows(sample)
        if not has_entry(cone, k, -1):
            return "+inf"
        if not has_entry(cone, k, 1):
            return "-inf"
    return "±inf"


def _only_null_directions(problem: _Problem, remaining: Mask) -> bool:
    """Return whether a sample proves that the cells have no recession directions but their null directions.

    The cone of all cells lies within that of a sample and contains the null directions of all: if a sample has no
    strict row and null directions of the same dimension, the three are equal.
    """
    dimension = -1
    for sample in _samples(problem, remaining):
        dimension = problem.null_directions(remaining).shape[1] if dimension < 0 else dimension
        strict, informative = problem.strict(sample)
        if not strict.any() and problem.null_directions(informative).shape[1] == dimension:
            return True
    return False


def _samples(problem: _Problem, rows: Mask) -> Iterator[Mask]:
    """Yield growing samples of some rows, whole groups of the largest factor, up to half of them."""
    clusters, index = np.unique(problem.cells.cluster[rows], return_inverse=True)
    order = np.random.default_rng(0).permutation(len(clusters))[index]
    size, count = _FIRST, int(rows.sum())
    while 2 * size <= count and size <= _MOST:
        sample = np.zeros(len(rows), dtype=np.bool_)
        sample[np.flatnonzero(rows)[order < max(len(clusters) * size // count, 1)]] = True
        yield sample
        size *= 4
