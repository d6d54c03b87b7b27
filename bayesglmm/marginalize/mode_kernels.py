"""The log integrand of a group and its mode.

With b = L u, G = LLᵀ and u ~ N(0, I), row i of a group has η_i = o_i + a_iᵀu, a_i = Lᵀz_i, and the log integrand is

    h(u) = Σ_i log f(y_i | η_i) − |u|²/2.

Arguments of all kernels: `header` is the table `Header`; `first` is the first row of the group and `n` its number of
rows; `base` (n,) are the o_i, `columns` (n, q) the a_i, `u` (q,); `work` are arrays to work in (see `row_likelihoods`);
`parameters` (r + 1,) are the family parameters.
"""

import math

import numpy as np

from bayesglmm.compiled.abi import call_family, call_link, floats
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.workspace import CHUNK, Work
from bayesglmm.marginalize.layout import Header

__all__ = ["find_mode", "log_integrand", "row_likelihoods", "solve_transposed"]

_NEWTON_STEPS, _HALVINGS = 200, 60
_GAIN = 1e-10
"""Newton's method ends when a step is to gain no more than half of this."""

_RELATIVE_STEP, _LEAST_RELATIVE_STEP = 1e-4, 1e-10
"""The step of the central difference for ∂²log f/∂η², in prior sds of η, and at the least relative to |η|."""


@piece
def row_likelihoods(header, first, n, points, work, parameters):
    """Write Σ w log f of n rows at each of several points into work[2] (points,), w ∂ log f/∂η into work[1].

    w are the weights of the rows; work[1] is (points · n,).

    The η of the points are read from work[0] (points · n,), point by point. As many points as fill a chunk go through
    the link together; work[3] is the workspace of link and family (`Work`).
    """
    eta, d_eta, sums, space = work
    address = space.ctypes.data
    together = max(CHUNK // n, 1)
    for point in range(0, points, together):
        batch = min(together, points - point)
        sums[point : point + batch] = 0.0
        for start in range(0, n, CHUNK):
            count, row = min(CHUNK, n - start), first + start
            filled, place = batch * count, point * n + start
            for i in range(filled):
                space[CHUNK * Work.ETA + i] = eta[place + i]
            call_link(header[Header.LINK], filled, address)
            for k in range(batch):
                call_family(
                    header[Header.FAMILY], count, header[Header.Y] + 8 * row, header[Header.TRIALS] + 8 * row,
                    address + 8 * k * count, parameters.ctypes.data,
                )  # fmt: skip
                sums[point + k] += _weighted(
                    header, row, count, space[CHUNK * Work.LL + k * count :], space[CHUNK * Work.D_ETA + k * count :]
                )
            for i in range(filled):
                d_eta[place + i] = space[CHUNK * Work.D_ETA + i]


@summing
def _weighted(header, row, count, ll, d_eta):
    """Return Σ w log f of `count` rows, and multiply ∂ log f/∂η (count,) by their weights w."""
    total = 0.0
    if header[Header.WEIGHTED]:
        weights = floats(header[Header.WEIGHTS], row + count)[row:]
        for i in range(count):
            total += weights[i] * ll[i]
            d_eta[i] *= weights[i]
    else:
        for i in range(count):
            total += ll[i]
    return total


@piece
def log_integrand(header, first, n, base, columns, u, work, parameters):
    """Return h(u); −inf where the density is not defined."""
    _predict(n, base, columns, u, work[0])
    row_likelihoods(header, first, n, 1, work, parameters)
    return _less_half_square(work[2][0], u)


@piece
def _log_integrand_and_slopes(header, first, n, base, columns, u, work, parameters):
    """Return h(u), and write ∂ log f/∂η at η, η + δ and η − δ into work[1] (3n,), the η into work[0] (3n,).

    δ_i = 1e-4 |a_i| + 1e-10 |η_i|, |a_i| being the prior sd of η_i.
    """
    eta = work[0]
    _predict(n, base, columns, u, eta)
    for i in range(n):
        variance = 0.0
        for c in range(u.size):
            variance += columns[i, c] * columns[i, c]
        step = _RELATIVE_STEP * math.sqrt(variance) + _LEAST_RELATIVE_STEP * abs(eta[i])
        eta[n + i] = eta[i] + step
        eta[2 * n + i] = eta[i] - step
    row_likelihoods(header, first, n, 3, work, parameters)
    return _less_half_square(work[2][0], u)


@piece
def _predict(n, base, columns, u, eta):
    """Write η = o + A u, (n,)."""
    for i in range(n):
        eta[i] = base[i]
        for c in range(u.size):
            eta[i] += columns[i, c] * u[c]


@piece
def _less_half_square(value, u):
    """Return value − |u|²/2; −inf where it is not a number."""
    for c in range(u.size):
        value -= 0.5 * u[c] * u[c]
    return value if value > -math.inf else -math.inf


@piece
def _curvature(n, columns, work, hessian):
    """Write I + AᵀWA (q, q), W_i = −∂²log f/∂η² by differences of the derivatives in `work`, 0 where negative."""
    eta, d_eta = work[0], work[1]
    hessian[:] = 0.0
    for c in range(hessian.shape[0]):
        hessian[c, c] = 1.0
    for i in range(n):
        weight = (d_eta[2 * n + i] - d_eta[n + i]) / (eta[n + i] - eta[2 * n + i])
        if 0.0 < weight < math.inf:
            for c in range(hessian.shape[0]):
                for d in range(hessian.shape[0]):
                    hessian[c, d] += weight * columns[i, c] * columns[i, d]


@piece
def _factorise(matrix):
    """Turn a positive definite matrix (q, q) into R, lower triangular with RRᵀ the matrix, in place."""
    for i in range(matrix.shape[0]):
        for j in range(i + 1):
            total = matrix[i, j]
            for c in range(j):
                total -= matrix[i, c] * matrix[j, c]
            matrix[i, j] = math.sqrt(total) if i == j else total / matrix[j, j]


@piece
def _solve(lower, right):
    """Solve RRᵀ x = right (q,) in place."""
    for i in range(right.size):
        for c in range(i):
            right[i] -= lower[i, c] * right[c]
        right[i] /= lower[i, i]
    solve_transposed(lower, right)


@piece
def solve_transposed(lower, right):
    """Solve Rᵀ x = right (q,) in place."""
    for i in range(right.size - 1, -1, -1):
        for c in range(i + 1, right.size):
            right[i] -= lower[c, i] * right[c]
        right[i] /= lower[i, i]


@piece
def find_mode(header, first, n, base, columns, u, lower, work, parameters):
    """Move u (q,) to the mode û of h by Newton steps with halving; return h(û) and write R, RRᵀ = −∂²h/∂u² there.

    The gradient is Aᵀ ∂ log f/∂η − u, the curvature that of `_curvature`.
    """
    q = u.size
    step, gradient, tried = np.empty(q), np.empty(q), np.empty(q)
    value = _log_integrand_and_slopes(header, first, n, base, columns, u, work, parameters)
    for _ in range(_NEWTON_STEPS):
        for c in range(q):
            gradient[c] = -u[c]
            for i in range(n):
                gradient[c] += columns[i, c] * work[1][i]
        step[:] = gradient
        _curvature(n, columns, work, lower)
        _factorise(lower)
        _solve(lower, step)
        gain = 0.0
        for c in range(q):
            gain += gradient[c] * step[c]
        if not gain > _GAIN:
            break
        length = 1.0
        tried_value = value
        for _halving in range(_HALVINGS):
            for c in range(q):
                tried[c] = u[c] + length * step[c]
            tried_value = _log_integrand_and_slopes(header, first, n, base, columns, tried, work, parameters)
            if tried_value > value + 1e-4 * length * gain:
                break
            length *= 0.5
        if not tried_value > value:
            break
        value = tried_value
        u[:] = tried
    return value
