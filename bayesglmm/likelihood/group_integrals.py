"""`GroupIntegrals`: the likelihood of groups with their effects integrated out, by adaptive Gauss-Hermite quadrature.

With b = L u, u ~ N(0, I), row i of group j has η_i = o_i + a_iᵀu, a_i = Lᵀz_i, and the log integrand is
h(u) = Σ_i log f(y_i | η_i) − |u|²/2. With its mode û and RRᵀ = −∂²h/∂u² there, and the points v_k and weights w_k of a
rule for N(0, I),

    log ∫ Π f(y | b) dN(b; 0, G) ≈ log Σ_k w_k exp(h(û + R⁻ᵀv_k) + |v_k|²/2) − log |R|.

One point is Laplace's approximation, h(û) − log |R|.

The gradient is that of this sum, not of the integral: û and R change with the parameters, û by the implicit function
theorem, and R with the third derivatives of log f. Derivatives are carried back from the sum to the rows' o_i and a_i.

References
----------
Pinheiro & Bates (1995), Journal of Computational and Graphical Statistics 4, 12-35.
Kristensen, Nielsen, Berg, Skaug & Bell (2016), Journal of Statistical Software 70 (5): the gradient for one point.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bayesglmm.likelihood.coordinates import Parts
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.hermite import product_rule
from bayesglmm.likelihood.integrated import Effects, Integrated, undefined
from bayesglmm.likelihood.modes import Modes, find_modes
from bayesglmm.likelihood.point_sums import Means, Sums
from bayesglmm.likelihood.rows import RowLikelihood

__all__ = ["GroupIntegrals"]

type Array = NDArray[np.float64]

_CELLS = 2**19
"""The most rows times points whose log likelihood is in memory at a time."""


class GroupIntegrals:
    """The integrals of groups that are independent given the parameters: every block is on one factor.

    Parameters
    ----------
    data
        The data.
    nodes
        The points of the rule a dimension.
    """

    def __init__(self, data: Data, nodes: int) -> None:
        order = np.argsort(data.index[0], kind="stable")
        self.data = data.take(order)
        self.rows, self.z = RowLikelihood(self.data), np.concatenate(self.data.z, axis=1)
        _, self.index = np.unique(self.data.index[0], return_inverse=True)  # levels without rows are left out
        self.starts = np.flatnonzero(np.diff(self.index, prepend=-1))
        self.m, self.q = len(self.starts), self.z.shape[1]
        self.points, log_weights = product_rule(nodes, self.q)
        self.log_weights = log_weights + np.square(self.points).sum(axis=1) / 2

    @property
    def start(self) -> Array:
        """Where the search for the modes begins at first, (m, q)."""
        return np.zeros((self.m, self.q))

    def at(self, parts: Parts, start: Array) -> Integrated:
        """Return the log likelihood and its derivatives; the search for the modes begins at u (m, q)."""
        columns, modes = self._modes(parts, start)
        if modes is None:
            return undefined(parts, start)
        back = np.swapaxes(np.linalg.inv(modes.spread), 1, 2)
        means = self._means(modes, columns, back, parts.parameters)
        if means is None:
            return undefined(parts, start)
        diagonals = np.diagonal(modes.spread, axis1=1, axis2=2)
        value = float((modes.value + means.log - np.log(diagonals).sum(axis=1)).sum())
        by_eta, by_columns, by_parameters = self._back(modes, columns, back, means)
        by_roots = tuple(self.z[:, block].T @ by_columns[:, block] for block in self._places)
        return Integrated(value, Parts(self.data.x.T @ by_eta, by_roots, by_parameters), modes.u, modes.clipped)

    def effects(self, parts: Parts, start: Array) -> Effects:
        """Return the modes and sds of the effects; of a level without rows those of the prior."""
        _, modes = self._modes(parts, start)
        if modes is None:
            raise FloatingPointError("the likelihood is not defined here")
        root = _joined(parts.roots)
        back = root @ np.swapaxes(np.linalg.inv(modes.spread), 1, 2)
        b, sds = modes.u @ root.T, np.sqrt(np.square(back).sum(axis=2))
        of_prior = np.sqrt(np.square(root).sum(axis=1))
        by_block: tuple[list[Array], list[Array]] = [], []
        for levels, index, place in zip(self.data.levels, self.data.index, self._places, strict=True):
            for values, default, out in ((b, 0.0, by_block[0]), (sds, of_prior[place], by_block[1])):
                each = np.zeros((levels, place.stop - place.start)) + default
                each[index[self.starts]] = values[:, place]
                out.append(each)
        return Effects(tuple(by_block[0]), tuple(by_block[1]), np.zeros(0), np.zeros((0, 0)))

    @property
    def _places(self) -> list[slice]:
        """The columns of each block."""
        ends = np.cumsum([0, *(z.shape[1] for z in self.data.z)]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def _modes(self, parts: Parts, start: Array) -> tuple[Array, Modes | None]:
        columns, base = self.z @ _joined(parts.roots), self.data.offset + self.data.x @ parts.beta
        return columns, find_modes(self.rows, base, columns, self.index, self.starts, parts.parameters, start)

    def _groups(self, values: Array) -> Array:
        """Return sums over the rows of each group of values (n, …), (m, …)."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def _means(self, modes: Modes, columns: Array, back: Array, parameters: Array) -> Means | None:
        """Return the sum over the points and the means of what the gradient needs; None where it is not a number."""
        if len(self.points) == 1:
            return Means.at_mode(modes)
        directions = np.matmul(columns[:, None, :], back[self.index])[:, 0]  # of η by v
        sums = Sums(self.m, len(self.index), self.q, len(parameters))
        batch = max(1, _CELLS // len(self.index))
        for start in range(0, len(self.points), batch):
            v = self.points[start : start + batch]
            u = modes.u[None] + np.matmul(back, v.T).transpose(2, 0, 1)
            at = self.rows.slopes(modes.eta + v @ directions.T, parameters)
            log_integrand = np.add.reduceat(at.value, self.starts, axis=1) - np.square(u).sum(axis=2) / 2
            terms = np.exp(log_integrand - modes.value + self.log_weights[start : start + batch, None])
            if not np.isfinite(log_integrand).all():  # outside the domain of the link there is no likelihood
                terms = np.where(np.isfinite(log_integrand), terms, 0.0)
                at = at.where(terms[:, self.index] > 0)
            sums.add(terms, terms[:, self.index], v, at)
        return sums.means(self.index)

    def _back(self, modes: Modes, columns: Array, back: Array, means: Means) -> tuple[Array, Array, Array]:
        """Carry derivatives back to o (n,), a (n, q) and the family parameters (r,)."""
        index, u, c = self.index, modes.u[self.index], modes.curvatures
        # through the points, û and R held: u_k = û + T v_k, T = R⁻ᵀ
        by_eta = means.slope
        by_columns = by_eta[:, None] * u + np.matmul(back[index], means.slope_v[:, :, None])[:, :, 0]
        mean_u = modes.u + np.matmul(back, means.v[:, :, None])[:, :, 0]
        by_mode = self._groups(columns * by_eta[:, None]) - mean_u
        by_t = self._groups(columns[:, :, None] * means.slope_v[:, None, :])
        by_t -= modes.u[:, :, None] * means.v[:, None, :] + back @ means.vv
        # through R: T and log |R|
        by_r = -back @ np.swapaxes(by_t, 1, 2) @ back
        diagonal = np.arange(self.q)
        by_r[:, diagonal, diagonal] -= 1 / modes.spread[:, diagonal, diagonal]
        by_h = _through_cholesky(modes.spread, back, by_r)
        of_row = by_h[index]
        turned = np.matmul(of_row, columns[:, :, None])[:, :, 0]
        by_weight = (turned * columns).sum(axis=1) * modes.counted
        by_columns += 2 * (c.weight * modes.counted)[:, None] * turned
        through_weight = by_weight * c.third
        by_eta = by_eta + through_weight
        by_columns += through_weight[:, None] * u
        by_mode += self._groups(columns * through_weight[:, None])
        by_parameters = means.parameters + c.weight_by_parameters @ by_weight
        # through û, where Aᵀ ∂ log f/∂η = û
        along = (back @ (np.swapaxes(back, 1, 2) @ by_mode[:, :, None]))[index, :, 0]
        moved = (columns * along).sum(axis=1)
        by_eta = by_eta - c.weight * moved
        by_columns += modes.slope[:, None] * along - (c.weight * moved)[:, None] * u
        return by_eta, by_columns, by_parameters + c.slope_by_parameters @ moved


def _through_cholesky(lower: Array, back: Array, by_lower: Array) -> Array:
    """Return derivatives by H = RRᵀ, symmetric, from those by R (m, q, q); `back` is R⁻ᵀ.

    Murray (2016), arXiv:1602.07527.
    """
    inner = np.tril(np.swapaxes(lower, 1, 2) @ np.tril(by_lower))
    diagonal = np.arange(lower.shape[1])
    inner[:, diagonal, diagonal] /= 2
    result = back @ inner @ np.swapaxes(back, 1, 2)
    return np.asarray((result + np.swapaxes(result, 1, 2)) / 2)


def _joined(roots: Sequence[Array]) -> Array:
    """Return the block-diagonal matrix of the L of several blocks, (q, q)."""
    joined = np.zeros((sum(len(root) for root in roots),) * 2)
    first = 0
    for root in roots:
        joined[first : first + len(root), first : first + len(root)] = root
        first += len(root)
    return joined
