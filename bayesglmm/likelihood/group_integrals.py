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

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from bayesglmm.likelihood.coordinates import Parts
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.hermite import product_rule
from bayesglmm.likelihood.integrated import Effects, Integrated, undefined
from bayesglmm.likelihood.modes import Modes, find_modes
from bayesglmm.likelihood.rows import RowLikelihood, Slopes

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
        sums = self._sum(modes, columns, back, parts.parameters)
        if sums is None:
            return undefined(parts, start)
        diagonals = np.diagonal(modes.spread, axis1=1, axis2=2)
        value = float((modes.value + sums.log - np.log(diagonals).sum(axis=1)).sum())
        by_eta, by_columns, by_parameters = self._back(modes, columns, back, sums)
        by_roots = tuple(self.z[:, block].T @ by_columns[:, block] for block in self._places)
        return Integrated(value, Parts(self.data.x.T @ by_eta, by_roots, by_parameters), modes.u, modes.clipped)

    def effects(self, parts: Parts, start: Array) -> Effects:
        """Return the modes and sds of the effects; of a level without rows those of the prior."""
        _, modes = self._modes(parts, start)
        if modes is None:
            raise FloatingPointError("the likelihood is not defined here")
        root = block_diag(*parts.roots)
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
        columns, base = self.z @ block_diag(*parts.roots), self.data.offset + self.data.x @ parts.beta
        return columns, find_modes(self.rows, base, columns, self.index, self.starts, parts.parameters, start)

    def _groups(self, values: Array) -> Array:
        """Return sums over the rows of each group of values (n, …), (m, …)."""
        return np.asarray(np.add.reduceat(values, self.starts, axis=0))

    def _sum(self, modes: Modes, columns: Array, back: Array, parameters: Array) -> "_Sums | None":
        """Return the sum over the points and the means of what the gradient needs, each point by its share."""
        directions = np.einsum("nc,ncd->nd", columns, back[self.index])  # of η by v
        sums = _Sums.zeros(self.m, len(self.index), self.q, len(parameters))
        batch = max(1, _CELLS // len(self.index))
        for start in range(0, len(self.points), batch):
            v = self.points[start : start + batch]
            u = modes.u[None] + np.einsum("mcd,kd->kmc", back, v)
            at = self.rows.slopes(modes.eta + v @ directions.T, parameters)
            log_integrand = np.add.reduceat(at.value, self.starts, axis=1) - np.square(u).sum(axis=2) / 2
            with np.errstate(under="ignore"):
                terms = np.exp(log_integrand - modes.value + self.log_weights[start : start + batch, None])
            if not np.isfinite(terms).all():
                terms = np.where(np.isfinite(terms), terms, 0.0)  # outside the domain of the link: no likelihood
                at = at.where(terms[:, self.index] > 0)
            sums.add(terms, terms[:, self.index], v, at)
        return sums.normalised(self.index)

    def _back(self, modes: Modes, columns: Array, back: Array, sums: "_Sums") -> tuple[Array, Array, Array]:
        """Carry derivatives back to o (n,), a (n, q) and the family parameters (r,)."""
        index, u, c = self.index, modes.u[self.index], modes.curvatures
        # through the points, û and R held: u_k = û + T v_k, T = R⁻ᵀ
        by_eta = sums.slope
        by_columns = by_eta[:, None] * u + np.einsum("nd,ncd->nc", sums.slope_v, back[index])
        mean_u = modes.u + np.einsum("mcd,md->mc", back, sums.v)
        by_mode = self._groups(columns * by_eta[:, None]) - mean_u
        by_t = self._groups(columns[:, :, None] * sums.slope_v[:, None, :])
        by_t -= modes.u[:, :, None] * sums.v[:, None, :] + np.einsum("mcd,mde->mce", back, sums.vv)
        # through R: T and log |R|
        by_r = -back @ np.swapaxes(by_t, 1, 2) @ back
        diagonal = np.arange(self.q)
        by_r[:, diagonal, diagonal] -= 1 / modes.spread[:, diagonal, diagonal]
        by_h = _through_cholesky(modes.spread, back, by_r)
        of_row = by_h[index]
        by_weight = np.einsum("nc,ncd,nd->n", columns, of_row, columns) * modes.counted
        by_columns += 2 * (c.weight * modes.counted)[:, None] * np.einsum("ncd,nd->nc", of_row, columns)
        through_weight = by_weight * c.third
        by_eta = by_eta + through_weight
        by_columns += through_weight[:, None] * u
        by_mode += self._groups(columns * through_weight[:, None])
        by_parameters = sums.parameters + c.weight_by_parameters @ by_weight
        # through û, where Aᵀ ∂ log f/∂η = û
        along = np.einsum("mcd,med,me->mc", back, back, by_mode)[index]
        moved = (columns * along).sum(axis=1)
        by_eta = by_eta - c.weight * moved
        by_columns += modes.slope[:, None] * along - (c.weight * moved)[:, None] * u
        return by_eta, by_columns, by_parameters + c.slope_by_parameters @ moved


@dataclass(eq=False)
class _Sums:
    """Sums over the points of a rule, each term relative to the integrand at the mode.

    Parameters
    ----------
    log
        (m,) the sum of the terms, at the end its logarithm.
    slope, slope_v
        (n,) and (n, q) means of ∂ log f/∂η and of its product with v over the points, by their shares of the sum.
    v, vv
        (m, q) and (m, q, q) means of v and vvᵀ.
    parameters
        (r,) sums over the rows of means of derivatives by the family parameters.
    """

    log: Array
    slope: Array
    slope_v: Array
    v: Array
    vv: Array
    by_row: Array

    @classmethod
    def zeros(cls, m: int, n: int, q: int, r: int) -> "_Sums":
        return cls(np.zeros(m), np.zeros(n), np.zeros((n, q)), np.zeros((m, q)), np.zeros((m, q, q)), np.zeros((r, n)))

    def add(self, terms: Array, of_rows: Array, v: Array, at: Slopes) -> None:
        """Add terms (k, m), of the group of each row (k, n), at points v (k, q)."""
        weighted = of_rows * at.eta
        self.log += terms.sum(axis=0)
        self.slope += weighted.sum(axis=0)
        self.slope_v += weighted.T @ v
        self.v += terms.T @ v
        self.vv += np.einsum("km,kc,kd->mcd", terms, v, v, optimize=True)
        self.by_row += (of_rows * at.parameters).sum(axis=1)

    def normalised(self, index: NDArray[np.int64]) -> "_Sums | None":
        total = self.log
        if not (total > 0).all() or not np.isfinite(total).all():
            return None
        of_rows = total[index]
        return _Sums(
            np.log(total),
            self.slope / of_rows,
            self.slope_v / of_rows[:, None],
            self.v / total[:, None],
            self.vv / total[:, None, None],
            self.by_row / of_rows,
        )

    @property
    def parameters(self) -> Array:
        return np.asarray(self.by_row.sum(axis=1))


def _through_cholesky(lower: Array, back: Array, by_lower: Array) -> Array:
    """Return derivatives by H = RRᵀ, symmetric, from those by R (m, q, q); `back` is R⁻ᵀ.

    Murray (2016), arXiv:1602.07527.
    """
    inner = np.tril(np.swapaxes(lower, 1, 2) @ np.tril(by_lower))
    diagonal = np.arange(lower.shape[1])
    inner[:, diagonal, diagonal] /= 2
    result = back @ inner @ np.swapaxes(back, 1, 2)
    return np.asarray((result + np.swapaxes(result, 1, 2)) / 2)
