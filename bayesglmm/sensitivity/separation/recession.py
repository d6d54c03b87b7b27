"""Each coefficient's maximum likelihood estimate given X, or given the groups: finite, infinite or not identified.

Given the groups, their effects e are fixed columns Z like any other and maximised over. Rows that Z alone predicts
without error (a group all zero or all one) say nothing about the coefficients. On the rows that remain, a
direction d of the coefficients for which some e gives x·d + z·e = 0 in every row changes nothing: a coefficient
that it moves is not identified. A direction along which no row falls and some row rises goes to infinity.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Cells, Mask, idle
from bayesglmm.sensitivity.separation.programme import Cone, Unsolved, peel, reaches, strict_rows, unseparated
from bayesglmm.sensitivity.separation.result import Estimate
from bayesglmm.sensitivity.separation.within import differences

__all__ = ["Recession", "recession"]

type Array = NDArray[np.float64]

_FIRST = 2_000
"""How many cells are looked at first: where they leave no direction, all cells leave none."""

_MOST, _MOST_PLAIN = 200_000, 2_000_000
"""The largest number of cells the linear programme is given, with columns of groups and without."""

_SMALL = 1e-6
"""The largest entry of a direction of length 1 that counts as 0."""


@dataclass(frozen=True, eq=False)
class Recession:
    """Where the likelihood goes to infinity.

    Parameters
    ----------
    estimates
        One a coefficient.
    strict
        (c,) the cells predicted without error along a direction of the coefficients.
    informative
        (c,) the cells that the effects of the groups alone do not predict without error; given X all.
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
        found = recession(pairs.cells)
        return Recession(found.estimates, pairs.strict(found.strict, cells), pairs.informative(cells))
    problem = _Problem.of(cells)
    strict, left = _strict(problem)
    still = problem.idle(left)
    moved = problem.idle(left & ~strict) if strict.any() else still
    estimates = tuple(_estimate(problem, left, k, still[k], moved[k]) for k in range(len(still)))
    return Recession(estimates, strict, left)


@dataclass(frozen=True, eq=False)
class _Problem:
    """Cells with the columns of the coefficients at most 1 in size, the cone of all columns, and that of the groups."""

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
    def peels_wholly(self) -> bool:
        """Whether columns one by one find all that the groups alone separate: one column for each, of one factor."""
        return len(self.cells.factors) <= 1 and all(factor.z.shape[1] == 1 for factor in self.cells.factors)

    def idle(self, rows: Mask) -> Array:
        """Return a basis (p, r) of the directions that the groups can take back in every one of the rows."""
        return idle(self.cells.x[rows], [factor.rows(rows) for factor in self.cells.factors])

    def strict(self, rows: Mask) -> tuple[Mask, Mask]:
        """Return which of the rows are strict along a direction of the coefficients, and which the groups leave."""
        return self.beyond(rows, _within(self.joint, rows))

    def beyond(self, rows: Mask, strict: Mask) -> tuple[Mask, Mask]:
        """Return the same where all strict rows are known: those that the groups alone predict are none of either."""
        left = rows.copy()
        if strict.any() and not self.peels_wholly:
            only = Cone(self.alone.w, self.alone.up & strict, self.alone.down & strict)
            left &= ~_groups(only, rows)
        return strict & left, left


def _within(cone: Cone, rows: Mask) -> Mask:
    """Return which of some rows are strict in a cone of those rows, (c,)."""
    strict = np.zeros(len(rows), dtype=np.bool_)
    strict[rows] = strict_rows(cone.rows(rows))
    return strict


def _groups(alone: Cone, rows: Mask) -> Mask:
    """Return the same in a cone of the columns of the groups, where often none is."""
    return np.zeros(len(rows), dtype=np.bool_) if unseparated(alone.rows(rows)) else _within(alone, rows)


def _strict(problem: _Problem) -> tuple[Mask, Mask]:
    """Return which cells are strict along a direction of the coefficients, and which the groups leave.

    Single columns come first. Where what they leave has no direction but those that groups can take back, its
    strict rows are those of the groups alone.
    """
    left = ~peel(problem.alone)
    rest = left.copy()
    rest[left] = ~peel(problem.joint.rows(left))
    peeled = left & ~rest
    settled = _settled(problem, rest)
    if settled and (problem.peels_wholly or not peeled.any()):
        return peeled, left
    if (rest if problem.peels_wholly else left).sum() > (_MOST if problem.cells.factors else _MOST_PLAIN):
        raise Unsolved("too many distinct rows")
    return problem.beyond(left, peeled | _groups(problem.alone, rest)) if settled else problem.strict(left)


def _estimate(problem: _Problem, left: Mask, k: int, still: Array, moved: Array) -> Estimate:
    """Return the estimate of a coefficient from its entries in the directions that change nothing, or no strict row.

    Along some direction every strict row rises, so those that keep the other rows are an open set of the second:
    some move the coefficient if any of the second does, and then one of the two ends can be reached.
    """
    if not (np.abs(moved) > _SMALL).any():
        return "finite"
    if (np.abs(still) > _SMALL).any():
        return "not identified"
    for part in (*_parts(problem, left), left):
        cone = problem.joint.rows(part)
        if not reaches(cone, k, -1):
            return "+inf"
        if not reaches(cone, k, 1):
            return "-inf"
    return "±inf"


def _settled(problem: _Problem, rest: Mask) -> bool:
    """Return whether some of the cells leave no direction but those without effect in all.

    More cells allow fewer directions, and what has no effect in them all is one: between the two lies the answer.
    """
    free = -1
    for part in _parts(problem, rest):
        free = problem.idle(rest).shape[1] if free < 0 else free
        strict, informative = problem.strict(part)
        if not strict.any() and problem.idle(informative).shape[1] == free:
            return True
    return False


def _parts(problem: _Problem, rows: Mask) -> Iterator[Mask]:
    """Yield more and more of some rows, whole groups of the largest factor, up to half of them."""
    found, place = np.unique(problem.cells.cluster[rows], return_inverse=True)
    order = np.random.default_rng(0).permutation(len(found))[place]
    size, count = _FIRST, int(rows.sum())
    while 2 * size <= count and size <= _MOST:
        part = np.zeros(len(rows), dtype=np.bool_)
        part[np.flatnonzero(rows)[order < max(len(found) * size // count, 1)]] = True
        yield part
        size *= 4
