"""`JointIntegral`: the likelihood with all effects integrated out at once by Laplace's approximation, in any design.

With b = L u in every block, u ~ N(0, I), and t all the u together, h(t) = Σ log f(y | η) − |u|²/2 and its mode t̂,

    log ∫ Π f(y | b) dN(b; 0, G) ≈ h(t̂) − ½ log |H|,    H = −∂²h/∂t² = P + AᵀWA,

with P = I. H is sparse, and factorised so (`sparse_factor`). For the restricted likelihood the coefficients are part of
t, with the flat prior P = 0 and a factor √2π each; under the identity link of Gaussian outcomes that is REML.

The gradient is exact for the approximation: t̂ by the implicit function theorem, log |H| by the entries of H⁻¹ where H
has some.

References
----------
Breslow & Clayton (1993), Journal of the American Statistical Association 88, 9-25.
Kristensen, Nielsen, Berg, Skaug & Bell (2016), Journal of Statistical Software 70 (5).
Laird & Ware (1982), Biometrics 38, 963-974: coefficients with a flat prior give the restricted likelihood.
"""

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from math import pi

import numpy as np
from numpy.typing import NDArray

from bayesglmm.common.newton import Point, maximise
from bayesglmm.likelihood.coordinates import Parts
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.integrated import Effects, Integrated, undefined
from bayesglmm.likelihood.rows import Curvatures, Rows
from bayesglmm.likelihood.sparse_factor import Factor, Pattern
from bayesglmm.logdensity.joint_precision import Part, first_variables, parts_of

__all__ = ["JointIntegral"]

type Array = NDArray[np.float64]

_STEPS = 200
_LAST_GAIN = 1e-10
"""Newton's method ends after a step that was to gain no more than half of this."""


@dataclass(frozen=True, eq=False)
class _Mode:
    t: Array
    value: float
    slope: Array
    by_parameters: Array
    curvatures: Curvatures
    counted: Array
    information: list[Array]
    factor: Factor


class JointIntegral:
    """The integral over all effects, and over the coefficients where the likelihood is restricted.

    Parameters
    ----------
    data
        The data.
    rows
        The likelihood of its rows.
    restricted
        Whether the coefficients are integrated out too.
    """

    def __init__(self, data: Data, rows: Rows, *, restricted: bool = False) -> None:
        self.data, self.rows, self.restricted = data, rows, restricted
        self.sizes = [(m, z.shape[1]) for m, z in zip(data.levels, data.z, strict=True)]
        orthogonal, triangle = np.linalg.qr(data.x if restricted else data.x[:, :0])
        self.columns: Array = orthogonal * np.sqrt(data.n)  # of coefficients γ, β = T γ
        self.to_beta: Array = np.linalg.inv(triangle) * np.sqrt(data.n)
        self.first, self.d = first_variables(self.sizes, self.columns.shape[1])
        self.parts = parts_of(data, self.sizes, data.x[:, :0], self.first) + self._parts_of_coefficients()
        self._pattern()

    def _parts_of_coefficients(self) -> list[Part]:
        """List the parts of H of the coefficients among themselves, and with each block."""
        if not self.columns.shape[1]:
            return []
        zero = np.zeros(1, dtype=np.int64)
        cell = np.zeros(self.data.n, dtype=np.int64)
        parts = [Part((-1, -1), zero, zero, cell, (self.columns, self.columns))]
        for number, (first, (m, k)) in enumerate(zip(self.first, self.sizes, strict=True)):
            levels = first + k * np.arange(m)
            columns = self.data.z[number], self.columns
            parts.append(Part((number, -1), levels, np.zeros_like(levels), self.data.index[number], columns))
        return parts

    def _pattern(self) -> None:
        """Find the pattern of H; its variables are eliminated from the last to the first."""
        entries = [part.entries() for part in self.parts]
        i = np.concatenate([np.zeros(0, dtype=np.int64), *(rows for rows, _ in entries)])
        j = np.concatenate([np.zeros(0, dtype=np.int64), *(columns for _, columns in entries)])
        row, column = self.d - 1 - np.minimum(i, j), self.d - 1 - np.maximum(i, j)
        below = row > column
        self.pattern = Pattern.of(row[below], column[below], self.d)
        self._places = self.pattern.places(row, column)
        ends = np.cumsum([0, *(int(np.prod(part.shape)) for part in self.parts)]).tolist()
        self._of_part = [slice(start, end) for start, end in pairwise(ends)]
        order = np.arange(self.d)
        self._diagonal = self.pattern.places(order, order)[::-1]
        self._prior = np.ones(self.d)
        self._prior[: self.columns.shape[1]] = 0.0

    @property
    def start(self) -> Array:
        """Where the search for the mode begins at first, (d,)."""
        t = np.zeros(self.d)
        if self.restricted:
            t[: self.columns.shape[1]] = np.linalg.solve(self.to_beta, self.data.start_coefficients())
        return t

    def with_rows(self, rows: Rows) -> "JointIntegral":
        """Return the integral over the same effects of another likelihood of the rows."""
        other = copy(self)
        other.rows = rows
        return other

    def at(self, parts: Parts, start: Array) -> Integrated:
        """Return the log likelihood and its derivatives by the parts; the search for the mode begins at t (d,)."""
        mode = self._mode(parts, start)
        if mode is None:
            return undefined(parts, start)
        c = self.columns.shape[1]
        volume = 0.5 * c * np.log(2 * pi) + (np.linalg.slogdet(self.to_beta)[1] if c else 0.0)
        value = mode.value - 0.5 * mode.factor.log_determinant + volume
        return Integrated(value, self._back(parts, mode), mode.t, int((mode.counted == 0).any()))

    def effects(self, parts: Parts, start: Array) -> Effects:
        """Return the modes and sds of the effects, and the estimate and covariance of coefficients integrated out."""
        mode = self._found(parts, start)
        inverse = mode.factor.inverse()[self._places]
        modes, sds = [], []
        for number, (root, u) in enumerate(zip(parts.roots, self._split(mode.t), strict=True)):
            which = next(i for i, part in enumerate(self.parts) if part.blocks == (number, number))
            covariance = np.moveaxis(inverse[self._of_part[which]].reshape(self.parts[which].shape), 2, 0)
            spread = np.full(u.shape, 1.0) * np.sqrt(np.square(root).sum(axis=1))
            levels = (self.parts[which].left - self.first[number]) // len(root)
            spread[levels] = np.sqrt(np.einsum("pi,mij,pj->mp", root, covariance, root))
            modes.append(u @ root.T)
            sds.append(spread)
        c = self.columns.shape[1]
        unit = np.eye(self.d)[:, :c]
        of_coefficients = np.array([self._solve(mode.factor, column)[:c] for column in unit.T]).reshape(c, c)
        return Effects(
            tuple(modes), tuple(sds), self.to_beta @ mode.t[:c], self.to_beta @ of_coefficients @ self.to_beta.T
        )

    def linear_predictor(self, parts: Parts, start: Array) -> Array:
        """Return η (n,) at the modes of the effects."""
        mode = self._found(parts, start)
        return self._base(parts) + self._predict(mode.t, parts.roots)

    def _found(self, parts: Parts, start: Array) -> _Mode:
        mode = self._mode(parts, start)
        if mode is None:
            raise FloatingPointError("the log likelihood is not defined at these parameters")
        return mode

    def _base(self, parts: Parts) -> Array:
        """Return the part of η (n,) that is not integrated out."""
        return self.data.offset if self.restricted else self.data.offset + self.data.x @ parts.beta

    def _mode(self, parts: Parts, start: Array) -> _Mode | None:
        base = self._base(parts)
        weights = np.zeros(self.data.n)

        def function(t: Array) -> tuple[float, Array]:
            value, slope, weight = self.rows.with_weight(base + self._predict(t, parts.roots), parts.parameters)
            weights[:] = weight
            total = float(value.sum() - np.square(t) @ self._prior / 2)
            return total if total > -np.inf else -np.inf, self._collect(slope, parts.roots) - self._prior * t

        def direction(point: Point) -> Array:
            factor, _, _ = self._factor(weights, parts.roots)
            return self._solve(factor, point.gradient)

        if not np.isfinite(function(start)[0]):
            start = self.start
        try:
            point = maximise(
                function, direction, start, steps=_STEPS, least_gain=0.0, last_gain=_LAST_GAIN, rounding=1e-13
            )
            return self._at_mode(base, parts, point.x)
        except np.linalg.LinAlgError:
            return None

    def _at_mode(self, base: Array, parts: Parts, t: Array) -> _Mode | None:
        value, slope, by_parameters, curvatures = self.rows.curvatures(
            base + self._predict(t, parts.roots), parts.parameters
        )
        total = float(value.sum() - np.square(t) @ self._prior / 2)
        if not np.isfinite(total):
            return None
        factor, information, counted = self._factor(curvatures.weight, parts.roots)
        return _Mode(t, total, slope, by_parameters, curvatures, counted, information, factor)

    def _factor(self, weights: Array, roots: Sequence[Array]) -> tuple[Factor, list[Array], Array]:
        """Return the factor of H, ZᵀWZ, and 1 for each row in these; where H is indefinite, 0 for negative weights."""
        for counted in (np.ones(self.data.n), (weights > 0).astype(np.float64)):
            information = self._information(weights * counted)
            try:
                return Factor(self.pattern, self._matrix(information, roots)), information, counted
            except np.linalg.LinAlgError:
                if (weights >= 0).all():
                    break
        raise np.linalg.LinAlgError("the curvature of the log likelihood is beyond the range of doubles")

    def _back(self, parts: Parts, mode: _Mode) -> Parts:
        """Return the derivatives of h(t̂) − ½ log |H| by the parts."""
        c, roots = mode.curvatures, parts.roots
        by_weight, by_roots = self._through_determinant(mode, roots)
        through_weight = by_weight * c.third
        solved = self._solve(mode.factor, self._collect(through_weight, roots))
        moved = self._predict(solved, roots)
        by_eta = mode.slope + through_weight - c.weight * moved
        blocks = zip(self._sums(by_eta), self._sums(mode.slope), self._split(mode.t), self._split(solved), strict=True)
        by_roots = [
            by_root + of_eta.T @ u + of_slope.T @ along
            for by_root, (of_eta, of_slope, u, along) in zip(by_roots, blocks, strict=True)
        ]
        by_parameters = mode.by_parameters + c.weight_by_parameters @ by_weight + c.slope_by_parameters @ moved
        return Parts(np.zeros(0) if self.restricted else self.data.x.T @ by_eta, tuple(by_roots), by_parameters)

    def _through_determinant(self, mode: _Mode, roots: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Return the derivatives of −½ log |H| by the weights of the rows (n,), and by L of each block, W held."""
        inverse = mode.factor.inverse()[self._places]
        by_weight, by_roots = np.zeros(self.data.n), [np.zeros_like(root) for root in roots]
        for part, place, k in zip(self.parts, self._of_part, mode.information, strict=True):
            z = inverse[place].reshape(part.shape)
            left, right = (self._root(number, roots) for number in part.blocks)
            alone = part.left is part.right or (part.blocks[0] == part.blocks[1] and (part.left == part.right).all())
            share = 0.5 if alone else 1.0
            if part.blocks == (-1, -1):
                by_weight -= share * ((self.columns @ z[:, :, 0]) * self.columns).sum(axis=1)
                continue
            of_cells = _sandwich(left.T, z, right.T)
            for p in range(part.shape[0]):
                for q in range(part.shape[1]):
                    columns = part.columns[0][:, p] * part.columns[1][:, q]
                    by_weight -= share * columns * of_cells[p, q][part.cell]
            for number, product, other in zip(part.blocks, (k, _turned(k)), (right, left), strict=True):
                if number >= 0:  # Σ K N Zᵀ over the pairs of levels, and Kᵀ M Z for the other block
                    of_pairs = z if other is right else _turned(z)
                    half = np.matmul(other.T, product).transpose(0, 2, 1).reshape(len(product), -1)
                    by_roots[number] -= share * half @ of_pairs.transpose(0, 2, 1).reshape(len(of_pairs), -1).T
        return by_weight * mode.counted, by_roots

    def _information(self, weights: Array) -> list[Array]:
        """Return ZᵀWZ of every part, (k, k', count)."""
        x = self.columns
        return [
            (x.T @ (weights[:, None] * x))[:, :, None]
            if part.blocks == (-1, -1)
            else part.information(weights).reshape(part.shape)
            for part in self.parts
        ]

    def _matrix(self, information: Sequence[Array], roots: Sequence[Array]) -> Array:
        """Return H as its pattern stores it, of ZᵀWZ."""
        storage = np.zeros(self.pattern.size)
        for part, place, k in zip(self.parts, self._of_part, information, strict=True):
            left, right = (self._root(number, roots) for number in part.blocks)
            storage[self._places[place]] = _sandwich(left, k, right).ravel()
        storage[self._diagonal] += self._prior
        return storage

    def _root(self, number: int, roots: Sequence[Array]) -> Array:
        return roots[number] if number >= 0 else np.eye(self.columns.shape[1])

    def _solve(self, factor: Factor, right: Array) -> Array:
        return factor.solve(right[::-1])[::-1]

    def _split(self, t: Array) -> list[Array]:
        """Return the u (m, k) of each block."""
        return [t[start : start + m * k].reshape(m, k) for start, (m, k) in zip(self.first, self.sizes, strict=True)]

    def _predict(self, t: Array, roots: Sequence[Array]) -> Array:
        """Return A t, the part of η (n,) that t makes."""
        eta: Array = self.columns @ t[: self.columns.shape[1]]
        for u, root, z, index in zip(self._split(t), roots, self.data.z, self.data.index, strict=True):
            b = u @ root.T
            for c in range(len(root)):
                eta += z[:, c] * b[index, c]
        return eta

    def _collect(self, of_rows: Array, roots: Sequence[Array]) -> Array:
        """Return Aᵀ times a vector of the rows, (d,)."""
        t = np.empty(self.d)
        t[: self.columns.shape[1]] = self.columns.T @ of_rows
        for start, sums, root in zip(self.first, self._sums(of_rows), roots, strict=True):
            t[start : start + sums.size] = (sums @ root).ravel()
        return t

    def _sums(self, of_rows: Array) -> list[Array]:
        """Return the sums of z times a value of the row over each level of each block, (m, k)."""
        return [
            np.column_stack([np.bincount(index, z[:, c] * of_rows, m) for c in range(k)])
            for (m, k), z, index in zip(self.sizes, self.data.z, self.data.index, strict=True)
        ]


def _sandwich(left: Array, k: Array, right: Array) -> Array:
    """Return Σ_pq left_pi k_pqc right_qj, (i, j, c)."""
    of_left = (left.T @ k.reshape(len(k), -1)).reshape(left.shape[1], *k.shape[1:])
    return np.asarray(np.matmul(right.T, of_left))


def _turned(k: Array) -> Array:
    """Return (q, p, c) of (p, q, c)."""
    return k.transpose(1, 0, 2)
