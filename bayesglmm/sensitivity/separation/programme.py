"""The linear programme: which rows can be predicted without error, and to which infinity a coefficient then goes.

A row is a vector w, the columns of its linear predictor η = w·d. It is `up` if its likelihood does not fall as η → ∞
(no failures), `down` if it does not fall as η → −∞ (no successes, a count of zero), neither otherwise. The recession
cone is the set of directions d along which the likelihood of no row falls: w·d ≥ 0 in `up` rows, ≤ 0 in `down` rows,
= 0 in the others. A row is strict if its likelihood rises along some recession direction, w·d ≠ 0; then the likelihood
has no maximum. The programme is solved as its dual (Gordan's theorem of the alternative), which has one equation
for each column of the design, not one for each row of the data.

References
----------
Konis (2007), Linear programming algorithms for detecting separated data in binary logistic regression models,
DPhil thesis, University of Oxford.
Albert & Anderson (1984), Biometrika 71, 1-10.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from bayesglmm.sensitivity.separation.cells import Mask, Sparse
from bayesglmm.sensitivity.separation.feasibility import balancing_weights, direction_with_entry, strict_direction
from bayesglmm.sensitivity.separation.overlap import overlaps

__all__ = ["Cone", "Unsolved", "has_entry", "no_strict_row", "strict_by_single_columns", "strict_rows"]


_FEW, _SAMPLE = 200, 4_000
"""With at most so many columns a sample of the rows is solved first, and its size."""

_WIDE = 400
"""Number of columns from which on feasibility is tried first, and programmes are solved by interior points."""

_ZERO = 1e-6
"""The largest |w·d| that counts as 0, where strict rows have 1."""


class Unsolved(Exception):
    """A linear programme that is too large, or that the solver gave up."""


@dataclass(frozen=True, eq=False)
class Cone:
    """The directions along which the likelihood of no row falls: w·d ≥ 0 where up, ≤ 0 where down, = 0 where neither.

    Parameters
    ----------
    w
        (n, D) the columns, sparse.
    up, down
        (n,) whether a row allows w·d > 0, or w·d < 0; never both.
    """

    w: Sparse
    up: Mask
    down: Mask

    @classmethod
    def of(cls, w: Sparse, up: Mask, down: Mask) -> "Cone":
        """Return the cone with columns and rows scaled to a largest entry of 1, which changes no answer."""
        w = sp.csr_matrix(w)
        w.eliminate_zeros()
        w = w @ sp.diags(1 / _largest(w, axis=0))
        return cls(sp.csr_matrix(sp.diags(1 / _largest(w, axis=1)) @ w), up, down)

    def rows(self, which: Mask) -> "Cone":
        """Return the cone of some of the rows."""
        return Cone(self.w[which], self.up[which], self.down[which])

    @property
    def sign(self) -> NDArray[np.float64]:
        """(n,) +1 where up, −1 where down, 0 where neither."""
        return self.up.astype(np.float64) - self.down

    def constraints(self) -> tuple[Sparse, Sparse]:
        """Return the rows of the inequalities w·d ≥ 0, signed, (D, m), and of the equalities w·d = 0, (D, n − m)."""
        inequality = self.up | self.down
        signed = sp.csc_matrix((sp.diags(self.sign[inequality]) @ self.w[inequality]).T)
        return signed, sp.csc_matrix(self.w[~inequality].T)


def strict_rows(cone: Cone) -> Mask:
    """Return which rows are strict, (n,): recession directions add up, so along a single one all strict rows rise.

    Rows that a single column separates are removed first: a large enough multiple of that column's direction, added to
    a recession direction of the remaining rows, is one of all rows.
    """
    strict, complete = strict_by_single_columns(cone), False
    if cone.w.shape[1] >= _WIDE and not strict.all():
        signed, equality = cone.rows(~strict).constraints()
        if equality.shape[1] == 0 and strict_direction(signed) is not None:
            return np.ones(len(strict), dtype=np.bool_)
    while not complete and not strict.all():
        remaining = ~strict
        strict[remaining], complete = _some_strict(cone.rows(remaining))
    return strict


def no_strict_row(cone: Cone) -> bool:
    """Return whether it is proved that a cone of many columns has no strict row; False where it was not tried."""
    return cone.w.shape[1] >= _WIDE and balancing_weights(*cone.constraints()) is not None


def has_entry(cone: Cone, column: int, sign: int) -> bool:
    """Return whether some recession direction has a positive (sign 1) or negative (sign −1) entry in a column.

    The dual of maximising sign·d_k ≤ 1: the least u in [0, 1] for which Σ λ_i w_i = −sign·(1 − u) in that
    column and 0 in the others, λ ≥ 0 for the inequalities.
    """
    signed, equality = cone.constraints()
    size = cone.w.shape[1]
    if size >= _WIDE and direction_with_entry(signed, equality, column, sign) is not None:
        return True
    last = sp.csc_matrix(([-float(sign)], ([column], [0])), shape=(size, 1))
    right = np.zeros(size)
    right[column] = -sign
    bounds = [(0, None)] * signed.shape[1] + [(None, None)] * equality.shape[1] + [(0, 1)]
    cost = np.zeros(len(bounds))
    cost[-1] = 1.0
    dual, _ = _linprog(cost, sp.hstack([signed, equality, last], format="csc"), right, bounds)
    return bool(dual[-1] > 0.5)


def strict_by_single_columns(cone: Cone) -> Mask:
    """Return strict rows, not always all: those that a single column separates among the rows not yet separated."""
    signs = sp.csc_matrix(cone.w.sign())
    signed = sp.csc_matrix(sp.diags(cone.sign) @ signs)
    neither = ~(cone.up | cone.down)
    blocked = (abs(signs).T @ neither.astype(np.float64)) > 0
    remaining = ~neither
    strict = np.zeros(len(remaining), dtype=np.bool_)
    while remaining.any():
        nonzero, total = abs(signed).T @ remaining.astype(np.float64), signed.T @ remaining.astype(np.float64)
        one_sign = (nonzero > 0) & (np.abs(total) == nonzero) & ~blocked
        separated = remaining & ((abs(signed) @ one_sign.astype(np.float64)) > 0)
        if not separated.any():
            break
        strict |= separated
        remaining &= ~separated
    return strict


def _some_strict(cone: Cone) -> tuple[Mask, bool]:
    """Return strict rows of a cone, and whether they are all there are.

    Overlap is mostly proved without the programme. With few columns and many rows the programme is solved on a sample
    of rows, to which the rows that its direction violates are added until there are none; the rows that rise along it
    are strict, and are removed.
    """
    if overlaps(*cone.constraints()):
        return np.zeros(len(cone.up), dtype=np.bool_), True
    n, columns = cone.w.shape
    sample = np.zeros(n, dtype=np.bool_)
    sample[np.random.default_rng(0).permutation(n)[:_SAMPLE]] = True
    while columns <= _FEW and 2 * sample.sum() <= n:
        strict, d = _solve_strict(cone.rows(sample))
        if not strict.any():
            full_rank = np.linalg.matrix_rank(cone.w[sample].toarray()) == columns
            return (np.zeros(n, dtype=np.bool_), True) if full_rank else (_solve_strict(cone)[0], True)
        change = cone.w @ d
        slack = np.where(cone.up | cone.down, cone.sign * change, -np.abs(change))
        if slack.min() >= -_ZERO:
            return slack > _ZERO, False
        sample[np.argsort(slack)[:_SAMPLE]] = True
    return _solve_strict(cone)[0], True


def _solve_strict(cone: Cone) -> tuple[Mask, NDArray[np.float64]]:
    """Return the strict rows, (n,), and a direction (D,) of the cone along which they all rise by 1 at least.

    This is max Σ t_i, 0 ≤ t_i ≤ 1, t_i ≤ w_i·d by its dual, in which a_i = 1 − t_i is 0 or 1 at the optimum.
    """
    signed, equality = cone.constraints()
    m, columns = signed.shape[1], cone.w.shape[1]
    strict = np.zeros(len(cone.up), dtype=np.bool_)
    if m == 0 or columns == 0:
        return strict, np.zeros(columns)
    bounds = [(0, 1)] * m + [(0, None)] * m + [(None, None)] * equality.shape[1]
    cost = np.zeros(len(bounds))
    cost[:m] = -1.0
    dual, marginals = _linprog(cost, sp.hstack([signed, signed, equality], format="csc"), np.zeros(columns), bounds)
    strict[cone.up | cone.down] = dual[:m] < 0.5
    return strict, -marginals


def _linprog(
    cost: NDArray[np.float64], matrix: Sparse, right: NDArray[np.float64], bounds: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimise cost·v subject to matrix·v = right and bounds; return v and the dual values of the equations."""
    from scipy.optimize import linprog

    method = "highs" if matrix.shape[0] < _WIDE else "highs-ipm"
    result = linprog(cost, A_eq=matrix, b_eq=right, bounds=bounds, method=method)
    if result.status != 0:
        raise Unsolved(result.message)
    return np.asarray(result.x, dtype=np.float64), np.asarray(result.eqlin.marginals, dtype=np.float64)


def _largest(w: Sparse, axis: int) -> NDArray[np.float64]:
    """Return the largest absolute entry along an axis, 1 where all are 0."""
    if 0 in w.shape:
        return np.ones(w.shape[1 - axis])
    largest = np.asarray(abs(w).max(axis=axis).todense()).ravel()
    return np.where(largest > 0, largest, 1.0)
