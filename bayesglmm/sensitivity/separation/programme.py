"""The linear programme: which rows can be predicted without error, and to which infinity a coefficient then goes.

A row is a vector w, the columns of its linear predictor η = w·d, with the sides on which its likelihood does not
fall as η goes to infinity: up for a row without failures, down for one without successes or a count of zero,
neither for the rest. The directions d along which no row falls are a cone. Where some row rises strictly, the
likelihood has no maximum. The programme is solved as its dual (Gordan's theorem of the alternative), which has a
row a column of the design instead of one a row of the data.

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
from bayesglmm.sensitivity.separation.feasibility import reaching, resting, rising
from bayesglmm.sensitivity.separation.overlap import overlaps

__all__ = ["Cone", "Unsolved", "peel", "reaches", "strict_rows", "unseparated"]


_FEW, _PART = 200, 4_000
"""Up to how many columns a part of the rows is looked at first, and how many rows that is."""

_WIDE = 400
"""From how many columns on questions of feasibility are asked first, and programmes are solved by interior points."""

_ZERO = 1e-6
"""What counts as 0 along a direction along which strict rows rise by 1."""


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

    def balance(self) -> tuple[Sparse, Sparse]:
        """Return the transposed rows with a side, turned up, (D, m), and those without, (D, n − m)."""
        one = self.up | self.down
        turned = sp.csc_matrix((sp.diags(self.sign[one]) @ self.w[one]).T)
        return turned, sp.csc_matrix(self.w[~one].T)


def strict_rows(cone: Cone) -> Mask:
    """Return which rows rise strictly along some direction of the cone, (n,); along one direction all of them do.

    Rows that a single column separates go first: the rest may then be looked at alone, since enough of that
    column's direction added to any other satisfies the rows gone.
    """
    strict, whole = peel(cone), False
    if cone.w.shape[1] >= _WIDE and not strict.all():
        turned, free = cone.rows(~strict).balance()
        if free.shape[1] == 0 and rising(turned) is not None:
            return np.ones(len(strict), dtype=np.bool_)
    while not whole and not strict.all():
        rest = ~strict
        strict[rest], whole = _some_strict(cone.rows(rest))
    return strict


def unseparated(cone: Cone) -> bool:
    """Return whether no row is known to rise strictly along any direction of a cone of many columns."""
    return cone.w.shape[1] >= _WIDE and resting(*cone.balance()) is not None


def reaches(cone: Cone, column: int, sign: int) -> bool:
    """Return whether some direction of the cone has a positive (sign 1) or negative (sign −1) entry in a column.

    The dual of maximising sign·d_k ≤ 1: the least u in [0, 1] for which Σ λ_i w_i = −sign·(1 − u) in that
    column and 0 in the others, λ ≥ 0 for rows turned up.
    """
    turned, free = cone.balance()
    size = cone.w.shape[1]
    if size >= _WIDE and reaching(turned, free, column, sign) is not None:
        return True
    last = sp.csc_matrix(([-float(sign)], ([column], [0])), shape=(size, 1))
    right = np.zeros(size)
    right[column] = -sign
    ends = [(0, None)] * turned.shape[1] + [(None, None)] * free.shape[1] + [(0, 1)]
    cost = np.zeros(len(ends))
    cost[-1] = 1.0
    found, _ = _linprog(cost, sp.hstack([turned, free, last], format="csc"), right, ends)
    return bool(found[-1] > 0.5)


def peel(cone: Cone) -> Mask:
    """Return the rows that single columns separate, one after another; some strict rows, not all."""
    signs = sp.csc_matrix(cone.w.sign())
    sided = sp.csc_matrix(sp.diags(cone.sign) @ signs)
    neither = ~(cone.up | cone.down)
    blocked = (abs(signs).T @ neither.astype(np.float64)) > 0
    active = ~neither
    strict = np.zeros(len(active), dtype=np.bool_)
    while active.any():
        count, total = abs(sided).T @ active.astype(np.float64), sided.T @ active.astype(np.float64)
        pure = (count > 0) & (np.abs(total) == count) & ~blocked
        touched = active & ((abs(sided) @ pure.astype(np.float64)) > 0)
        if not touched.any():
            break
        strict |= touched
        active &= ~touched
    return strict


def _some_strict(cone: Cone) -> tuple[Mask, bool]:
    """Return strict rows of a cone, and whether they are all there are.

    Data that are not separated are mostly seen to be so without the programme. With few columns a part of many rows
    gives a direction, to which the rows that it violates are added until none is; the rows that rise along it are
    strict, and the rest can be looked at alone.
    """
    if overlaps(*cone.balance()):
        return np.zeros(len(cone.up), dtype=np.bool_), True
    n, columns = cone.w.shape
    part = np.zeros(n, dtype=np.bool_)
    part[np.random.default_rng(0).permutation(n)[:_PART]] = True
    while columns <= _FEW and 2 * part.sum() <= n:
        strict, d = _solve_strict(cone.rows(part))
        if not strict.any():
            full = np.linalg.matrix_rank(cone.w[part].toarray()) == columns
            return (np.zeros(n, dtype=np.bool_), True) if full else (_solve_strict(cone)[0], True)
        along = cone.w @ d
        value = np.where(cone.up | cone.down, cone.sign * along, -np.abs(along))
        if value.min() >= -_ZERO:
            return value > _ZERO, False
        part[np.argsort(value)[:_PART]] = True
    return _solve_strict(cone)[0], True


def _solve_strict(cone: Cone) -> tuple[Mask, NDArray[np.float64]]:
    """Return the strict rows, (n,), and a direction (D,) of the cone along which they all rise by 1 at least.

    This is max Σ t_i, 0 ≤ t_i ≤ 1, t_i ≤ w_i·d by its dual, in which a_i = 1 − t_i is 0 or 1 at the optimum.
    """
    turned, free = cone.balance()
    m, columns = turned.shape[1], cone.w.shape[1]
    strict = np.zeros(len(cone.up), dtype=np.bool_)
    if m == 0 or columns == 0:
        return strict, np.zeros(columns)
    ends = [(0, 1)] * m + [(0, None)] * m + [(None, None)] * free.shape[1]
    cost = np.zeros(len(ends))
    cost[:m] = -1.0
    found, marginals = _linprog(cost, sp.hstack([turned, turned, free], format="csc"), np.zeros(columns), ends)
    strict[cone.up | cone.down] = found[:m] < 0.5
    return strict, -marginals


def _linprog(
    cost: NDArray[np.float64], matrix: Sparse, right: NDArray[np.float64], ends: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimise cost·v with matrix·v = right between ends; return v and the marginals of the equations."""
    from scipy.optimize import linprog

    method = "highs" if matrix.shape[0] < _WIDE else "highs-ipm"
    result = linprog(cost, A_eq=matrix, b_eq=right, bounds=ends, method=method)
    if result.status != 0:
        raise Unsolved(result.message)
    return np.asarray(result.x, dtype=np.float64), np.asarray(result.eqlin.marginals, dtype=np.float64)


def _largest(w: Sparse, axis: int) -> NDArray[np.float64]:
    """Return the largest absolute entry along an axis, 1 where all are 0."""
    if 0 in w.shape:
        return np.ones(w.shape[1 - axis])
    found = np.asarray(abs(w).max(axis=axis).todense()).ravel()
    return np.where(found > 0, found, 1.0)
