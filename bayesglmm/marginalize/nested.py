"""The likelihood of groups with their random effects, and those of a factor nested in theirs, integrated out.

A group has effects b = L u, u ~ N(0, I), and each level l of the nested factor in it effects c_l of its own. Given b
the levels are independent, and the integrals over their effects are those of `groups`, so that a group contributes

    log ∫ exp M(u) du − (q/2) log 2π,    M(u) = Σ_l log ∫ Π f(y | η + zᵀb + wᵀc_l) dN(c_l) − |u|²/2.

The outer integral is the trapezoidal sum of `kernel`, over the lattice v = step · Z^q with u = û + R⁻ᵀv. Its centre
û is the joint mode of u and all c_l and R Rᵀ the curvature there; both are of the profile of the joint log density,
which is known to rounding, so that differences give its derivatives.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesglmm.marginalize.groups import Groups, integrals, root, warn

__all__ = ["MOST_OUTER_EFFECTS", "NestedGroups", "over_nested_effects"]

type Array = NDArray[np.float64]

MOST_OUTER_EFFECTS = 2
"""The most effects of the outer factor that are integrated by quadrature; beyond, by Laplace's approximation."""

_STEP, _HALVINGS = 1.4, 3
"""The first step of the lattice, which is halved at least once and at most so many times."""

_AGREE = 2e-3
"""Sums of a step and of twice the step agree if their relative difference is below: the error is near its square."""

_TOO_FAR_APART = 1e-2
"""A relative difference of the last two sums above which there is a warning."""

_NEGLIGIBLE = 1e-7
"""A ring of the lattice is the last where its terms are this small relative to the largest."""

_MOST_RINGS = 80
"""The most rings of a lattice."""

_NEWTON_STEPS, _SHORTENINGS = 40, 25
"""The most steps of Newton's method, and the most halvings of a step."""

_GAIN, _GAIN_OF_LAPLACE = 1e-3, 1e-7
"""The gain at which Newton's method ends: the centre of a lattice needs few digits."""

_DIFFERENCE = 1e-2
"""The step of differences by u, divided by the largest prior sd of η where that is above 1."""


@dataclass(frozen=True, eq=False)
class NestedGroups:
    """Outcomes of whole groups, and of the levels nested in them.

    Parameters
    ----------
    inner
        The levels of the nested factor as groups; η is that at b = 0 and c = 0.
    z
        (n, q) the columns of the outer effects.
    index
        (n,) the group of each row, 0 … m − 1; rows of a nested level are of one group.
    g
        (s, q, q) the covariance of the outer effects.
    """

    inner: Groups
    z: Array
    index: NDArray[np.int64]
    g: Array

    @property
    def m(self) -> int:
        """The number of groups."""
        return int(self.index.max()) + 1

    @cached_property
    def root(self) -> Array:
        """A matrix L with L Lᵀ = G, (s, q, q)."""
        return root(self.g)

    @cached_property
    def group_of_level(self) -> NDArray[np.int64]:
        """The group of each nested level, (levels,)."""
        group = np.empty(self.inner.m, dtype=np.int64)
        group[self.inner.index] = self.index
        return group

    def take(self, draws: NDArray[np.int64]) -> "NestedGroups":
        """Return the groups with some of the draws, in the order of the indices."""
        return replace(self, inner=self.inner.take(draws), g=self.g[draws])


def over_nested_effects(groups: NestedGroups) -> Array:
    """Return log ∫ Π f(y | b, c) dN(c) dN(b) of every group, (s, m), for every draw; constants included.

    Up to two outer effects a group the error is below 1e-5; with more it is Laplace's approximation in them. A warning
    says so, and where sums have not converged.

    References
    ----------
    Rabe-Hesketh, Skrondal & Pickles (2005), Journal of Econometrics 128, 301-323: quadrature in nested models.
    """
    q = groups.z.shape[1]
    warn(groups.inner.z.shape[1], np.zeros(1))
    mode, curvature = _modes(groups)
    factor = np.linalg.cholesky(curvature)
    log_volume: Array = -np.log(np.einsum("smcc->smc", factor)).sum(axis=2)
    if q > MOST_OUTER_EFFECTS:
        warn(q, np.zeros(1), MOST_OUTER_EFFECTS)
        return np.asarray(_log_density(groups, mode) + log_volume)
    back = np.swapaxes(np.linalg.inv(factor), 2, 3)
    log_sum, error = _lattice(groups, mode, back)
    warn(q, error, MOST_OUTER_EFFECTS, _TOO_FAR_APART)
    return np.asarray(log_sum + log_volume - q / 2 * np.log(2 * np.pi))


def _log_density(groups: NestedGroups, u: Array, *, profile: bool = False) -> Array:
    """Return M(u) at u (s, m, q), shape (s, m); with `profile` the largest joint log density over the c_l instead."""
    b = np.einsum("scd,smd->smc", groups.root, u)
    eta = groups.inner.eta.copy()
    for column in range(groups.z.shape[1]):
        eta += b[:, groups.index, column] * groups.z[:, column]
    found = integrals(replace(groups.inner, eta=eta), quadrature=not profile)
    values = found.log
    if profile:  # Laplace's approximation is the density at the mode over |R|
        values = values + np.log(np.einsum("slcc->slc", found.spread)).sum(axis=2)
    order = np.argsort(groups.group_of_level, kind="stable")
    starts = np.searchsorted(groups.group_of_level[order], np.arange(groups.m))
    total = np.add.reduceat(values[:, order], starts, axis=1) - np.square(u).sum(axis=2) / 2
    return np.where(np.isnan(total), -np.inf, total)


def _modes(groups: NestedGroups) -> tuple[Array, Array]:
    """Return the mode û (s, m, q) of the profile and its curvature there, (s, m, q, q), by Newton with halving."""
    s, q = len(groups.g), groups.z.shape[1]
    u, curvature = np.zeros((s, groups.m, q)), np.empty((s, groups.m, q, q))
    least = _GAIN if q <= MOST_OUTER_EFFECTS else _GAIN_OF_LAPLACE
    left = np.arange(s)
    for _ in range(_NEWTON_STEPS):
        here, at = groups.take(left), u[left]
        value, gradient, curvature[left] = _derivatives(here, at)
        step = np.linalg.solve(curvature[left], gradient[..., None])[..., 0]
        gain = (gradient * step).sum(axis=2)
        length = np.where(gain > least, 1.0, 0.0)
        for _ in range(_SHORTENINGS):
            tried = at + length[..., None] * step
            worse = (length > 0) & ~(_log_density(here, tried, profile=True) > value)
            if not worse.any():
                break
            length = np.where(worse, length / 2, length)
        u[left] = at + np.where(worse, 0.0, length)[..., None] * step
        left = left[((length > 0) & ~worse).any(axis=1)]
        if not len(left):
            break
    return u, curvature


def _derivatives(groups: NestedGroups, u: Array) -> tuple[Array, Array, Array]:
    """Return the profile at u, its gradient (s, m, q) and minus its second derivatives, at least those of −|u|²/2."""
    q = u.shape[2]
    sd = np.sqrt(np.einsum("nc,scd,nd->sn", groups.z, groups.g, groups.z)).max(axis=1)
    step = (_DIFFERENCE / np.maximum(sd, 1.0))[:, None]
    value = _log_density(groups, u, profile=True)
    gradient, hessian = np.empty(u.shape), np.empty((*u.shape, q))
    above = []
    for c in range(q):
        along = step[..., None] * np.eye(q)[c]
        up, down = (_log_density(groups, u + sign * along, profile=True) for sign in (1, -1))
        above.append(up)
        gradient[..., c] = (up - down) / (2 * step)
        hessian[..., c, c] = (2 * value - up - down) / step**2
        for d in range(c):
            both = _log_density(groups, u + along + step[..., None] * np.eye(q)[d], profile=True)
            hessian[..., c, d] = hessian[..., d, c] = (up + above[d] - value - both) / step**2
    finite = np.isfinite(hessian).all(axis=(2, 3)) & np.isfinite(gradient).all(axis=2)
    hessian = np.where(finite[..., None, None], hessian, np.eye(q))
    values, vectors = np.linalg.eigh(hessian)
    curvature = (vectors * np.maximum(values, 1.0)[..., None, :]) @ np.swapaxes(vectors, 2, 3)
    return value, np.where(finite[..., None], gradient, 0.0), curvature


def _lattice(groups: NestedGroups, mode: Array, back: Array) -> tuple[Array, Array]:
    """Return log Σ exp M(u) · step^q over the lattice, (s, m), and the relative difference of the last two sums."""
    s, q = len(groups.g), groups.z.shape[1]
    peak = _log_density(groups, mode)
    total, error, step = np.ones((s, groups.m)), np.full((s, groups.m), np.inf), _STEP
    total += _rings(groups, mode, back, peak, step, halved=False)
    log_sum = np.log(total) + q * np.log(step)
    left = np.arange(s)
    for _ in range(_HALVINGS):
        step /= 2
        total[left] += _rings(groups.take(left), mode[left], back[left], peak[left], step, halved=True)
        finer = np.log(total[left]) + q * np.log(step)
        error[left] = np.abs(np.expm1(log_sum[left] - finer))
        log_sum[left] = finer
        left = left[(error[left] > _AGREE).any(axis=1)]
        if not len(left):
            break
    impossible = ~np.isfinite(peak)
    return np.where(impossible, -np.inf, peak + log_sum), np.where(impossible, 0.0, error)


def _rings(groups: NestedGroups, mode: Array, back: Array, peak: Array, step: float, *, halved: bool) -> Array:
    """Return Σ exp(M(u) − M(û)), (s, m), over the lattice but û; with `halved` over what twice the step leaves out."""
    total, largest = np.zeros(peak.shape), np.ones(peak.shape)
    before, left = np.full(peak.shape, np.inf), np.arange(len(peak))
    for ring in range(1, _MOST_RINGS):
        places = [place for place in _ring(ring, mode.shape[2]) if not halved or (place % 2).any()]
        if not places:
            continue
        here, highest = groups.take(left), np.zeros((len(left), groups.m))
        for place in places:
            u = mode[left] + step * (back[left] @ place)
            with np.errstate(invalid="ignore", over="ignore"):
                term = np.nan_to_num(np.exp(_log_density(here, u) - peak[left]), nan=0.0)
            total[left] += term
            highest = np.maximum(highest, term)
        largest[left] = np.maximum(largest[left], highest)
        ended = ((highest <= _NEGLIGIBLE * largest[left]) & (highest <= before[left])).all(axis=1)
        before[left] = highest
        left = left[~ended]
        if not len(left):
            break
    return total


def _ring(ring: int, q: int) -> Iterator[NDArray[np.int64]]:
    """Yield the points of Z^q at a distance from 0 that rounds to `ring`."""
    axis = np.arange(-ring, ring + 1)
    points = np.stack(np.meshgrid(*[axis] * q, indexing="ij"), axis=-1).reshape(-1, q)
    return iter(points[np.rint(np.sqrt(np.square(points).sum(axis=1))) == ring])
