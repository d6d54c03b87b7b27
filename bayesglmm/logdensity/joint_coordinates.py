"""Coordinates of coefficients and random effects together: what conditions them, and the mode of the rest.

The other globals (sds, correlations, family parameters) are looked at with coefficients and effects integrated out
under the pseudo-data, as restricted maximum likelihood does, and the pseudo-data are those at the mode of coefficients
and effects given the others, in turn until they agree.

References
----------
Breslow & Clayton (1993), JASA 88, 9-25 (penalised quasi-likelihood).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bayesglmm.logdensity.arrow_matrix import lifted
from bayesglmm.logdensity.evaluator import STEP, Evaluator
from bayesglmm.logdensity.header import Coordinates, ModelData, centre_of
from bayesglmm.logdensity.joint_precision import JointPattern, JointPrecision
from bayesglmm.logdensity.pseudo_data import pseudo_data
from bayesglmm.logdensity.whitening import Whitening
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import ABOVE_ZERO, WHOLE_LINE, Prior
from bayesglmm.specify.priors.numeric import log_density

__all__ = ["Together", "condition_together"]

type Array = NDArray[np.float64]

_LEAST_PRECISION = 1e-6
"""The least precision of a coefficient's prior, in its natural units: flat priors have none."""

_FLAT = 0.05
"""The least curvature of the other globals, which are logarithms: none is thought wider than four or five."""

_TURNS, _SETTLED = 10, 0.02
"""How often pseudo-data and the other globals are found in turn, at most, and by what these still move at the end."""

_NARROW, _VALLEY = 0.5, 6.0
"""Sds are given a sign if the sd of their logarithm at the mode is under the first and the log density at zero is lower
by less than the second: draws then lie far out in the logarithm's tail, on another scale than that of the mode."""

_HALVINGS = 20
"""How often a step towards the mode of coefficients and effects is halved at the most."""

_WORST = 1e100


@dataclass(frozen=True, eq=False)
class Together:
    """Coordinates in which coefficients and effects are standardised together.

    Parameters
    ----------
    coordinates
        The coordinates.
    sd_spread
        About the posterior sd of the logarithm of each sd, in the order of the blocks and their columns.
    """

    coordinates: Coordinates
    sd_spread: Array


def condition_together(
    model: Model, density: Evaluator, start: Array, sds: Sequence[slice], units: Array, *, most: int
) -> Together | None:
    """Find the mode and the coordinates there.

    Parameters
    ----------
    model
        The model, with random effects.
    density
        Its density, every level non-centred.
    start
        (dim,) where to begin.
    sds
        Where the coordinates of the sds of each block stand.
    units
        (g,) a natural unit of each global.
    most
        The most pairs of entries of the factor.

    Returns
    -------
    Together or None
        None where the coordinates would cost too much, or no mode was found.
    """
    columns = _columns(model, density)
    pattern = JointPattern.of(density.rows, density.shape.blocks, columns, most)
    if pattern is None:
        return None
    data = ModelData.of(model, density.rows)
    prior = _prior_precision(data, density, start, units)
    search = _Search(model, data, density, tuple(sds), columns, pattern, prior)
    try:
        with np.errstate(all="ignore"):
            return _found(search, start[: density.shape.globals])
    except np.linalg.LinAlgError:  # beyond the range of doubles on the way
        return None


def _found(search: "_Search", start: Array) -> Together | None:
    """Find pseudo-data and the mode of the other globals in turn, and the coordinates there."""
    where, point = search.where, start.copy()
    rest = np.setdiff1d(np.arange(len(point)), where)
    effects = [np.zeros(size) for size in search.density.shape.blocks]
    for _ in range(_TURNS):
        conditioned = _Conditioned.of(search, search.joint(point, effects), rest)
        before = point[rest]
        found = conditioned.mode(before)
        moved = None if found is None else conditioned.inner(found)
        if found is None or moved is None:
            return None
        point[rest] = found
        point[where], effects = moved
        if np.abs(found - before).max(initial=0.0) < _SETTLED:
            break
    return _whitened(search, search.joint(point, effects, held_back=True), rest, point)


def _whitened(search: "_Search", joint: JointPrecision, rest: NDArray[np.int64], point: Array) -> Together | None:
    """Return the coordinates: signed sds where the prior allows, all globals but the coefficients standardised."""
    shape, plain = search.density.shape, Coordinates.plain(search.model)
    hessian = _Conditioned.of(search, joint, rest).hessian(point[rest])
    if not np.isfinite(hessian).all():
        return None
    spread = np.zeros(shape.globals)
    spread[rest] = np.sqrt(np.diag(np.linalg.inv(hessian)))
    signed = _signed(search, joint, rest, point, spread)
    conditioned = _Conditioned.of(search, joint, rest, signed)
    middle = np.zeros(search.density.dim)
    middle[rest] = point[rest]
    middle[list(signed)] = 0.0
    hessian = conditioned.hessian(middle[rest])
    if not np.isfinite(hessian).all():
        return None
    at_zero = np.isin(rest, list(signed))
    hessian[at_zero, :] = hessian[:, at_zero] = 0.0
    hessian[at_zero, at_zero] = 1.0
    others = np.setdiff1d(np.arange(search.density.dim), rest)
    whitening = Whitening(
        places=np.concatenate([rest, others]),
        middle=middle,
        core_root=np.linalg.inv(np.linalg.cholesky(lifted(hessian, _FLAT))).T,
        leaf_roots=np.ones((1, 1, len(others))),
        strips=np.zeros((len(rest), len(others), 1)),
    )
    of_sds = np.concatenate([spread[place] for place in search.sds])
    return Together(Coordinates(plain.information, plain.linear, whitening, joint, signed), of_sds)


def _signed(
    search: "_Search", joint: JointPrecision, rest: NDArray[np.int64], point: Array, spread: Array
) -> dict[int, float]:
    """Return the sds to be given a sign: narrow about their mode, with a tail of their logarithm that has draws."""
    narrow = [number for number in search.signable if spread[number] < _NARROW]
    found: dict[int, float] = {}
    for number in narrow:
        own = {number: float(np.exp(point[number]))}
        conditioned, x = _Conditioned.of(search, joint, rest, own), point.copy()
        x[number] = np.arcsinh(1.0)
        at_mode = conditioned.objective(x[rest])[0]
        x[number] = 0.0
        if conditioned.objective(x[rest])[0] - at_mode < _VALLEY:
            found |= own
    return found


@dataclass(frozen=True, eq=False)
class _Conditioned:
    """The density with coefficients and effects conditioned by given pseudo-data, at their mean but for `inner`."""

    search: "_Search"
    density: Evaluator
    rest: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        search: "_Search",
        joint: JointPrecision,
        rest: NDArray[np.int64],
        signed: Mapping[int, float] | None = None,
    ) -> "_Conditioned":
        plain, rows = Coordinates.plain(search.model), search.density.rows
        bound = search.data.bound(replace(plain, joint=joint, signed=signed or {}))
        return cls(search, Evaluator(bound.header, bound.kept, rows, search.density.shape), rest)

    def point(self, theta: Array) -> Array:
        """Return the coordinates (dim,) at which coefficients and effects have their mean given the others."""
        x = np.zeros(self.density.dim)
        x[self.rest] = theta
        return x

    def objective(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log density, and its gradient."""
        value, gradient = self.density(self.point(theta))
        return (-value, -gradient[self.rest]) if np.isfinite(value) else (_WORST, np.zeros(len(theta)))

    def mode(self, start: Array) -> Array | None:
        """Return the others at their mode from a start, within e⁻⁸ and e⁸ of it."""
        if not len(start):
            return start
        bounds = [(x - 8.0, x + 8.0) for x in start]
        found = optimize.minimize(self.objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return found.x if found.fun < _WORST else None

    def inner(self, theta: Array) -> tuple[Array, list[Array]] | None:
        """Return coefficients (c,) and effects (m, k) a block at their mode given the others.

        In these coordinates minus the Hessian is near the unit matrix, so that the gradient is about Newton's step.
        """
        x = self.point(theta)
        value, gradient = self.density(x)
        if not np.isfinite(value):
            return None
        for _ in range(50):
            step = gradient.copy()
            step[self.rest] = 0.0
            gain = float(step @ step)
            if gain < 1e-6:
                break
            length, tried, slope = self.density.line(x, step, value, gain, _HALVINGS)
            if length == 0:
                break
            x, value, gradient = x + length * step, tried, slope
        return self.search.expanded(self.density, x)

    def hessian(self, theta: Array) -> Array:
        """Return minus the Hessian by the others, made positive definite."""
        t = len(theta)
        steps = STEP * np.eye(t)
        slopes = [(self.objective(theta + s)[1] - self.objective(theta - s)[1]) / (2 * STEP) for s in steps]
        hessian = np.reshape(slopes, (t, t))
        return lifted((hessian + hessian.T) / 2, _FLAT)


@dataclass(frozen=True, eq=False)
class _Search:
    """What stays the same as pseudo-data and modes are found in turn."""

    model: Model
    data: ModelData
    density: Evaluator
    sds: tuple[slice, ...]
    columns: Array
    pattern: JointPattern
    prior: Array

    @property
    def where(self) -> NDArray[np.int64]:
        """Which globals are coefficients that may be anywhere on the line."""
        return _unbounded(self.model)

    @property
    def signable(self) -> list[int]:
        """Which globals are sds whose prior has a density at zero, neither none nor an infinite one."""
        numbers = [number for place in self.sds for number in range(place.start, place.stop)]
        priors = [assigned.prior for block in self.model.design.blocks for assigned in self.model.priors.sd[block.name]]
        return [
            n for n, prior in zip(numbers, priors, strict=True) if prior.bounds == ABOVE_ZERO and _finite_at_zero(prior)
        ]

    def joint(self, point: Array, effects: Sequence[Array], *, held_back: bool = False) -> JointPrecision:
        """Return what conditions coefficients and effects, from rows at globals (g,) and effects (m, k) a block."""
        rows, where, x = self.density.rows, self.where, self.columns
        weights, scores = self._rows(point, effects)
        if held_back:
            weights = weights * self._share(point, effects)
        eta = x @ point[where]
        for b, index, z in zip(effects, rows.index, rows.z, strict=True):
            eta += (b[index] * z).sum(axis=1)
        pull = []
        for own, index, z in zip(scores, rows.index, rows.z, strict=True):
            m, k = own.shape
            pull.append(own + np.column_stack([np.bincount(index, weights * eta * z[:, j], m) for j in range(k)]))
        of_coefficients = x.T @ (weights * eta) + self.prior * point[where]
        return JointPrecision.of(self.pattern, where, weights, self.prior, (of_coefficients, pull))

    def _rows(self, point: Array, effects: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Return the weights of the rows, (n,), and the derivatives of the log likelihood by effects, (m, k) a block.

        They do not depend on the sds, and are taken where these are not small: b = M z is solved for z.
        """
        x = self._plain(point, effects, at_zero=True)
        weights, roots = self.density.weights_and_roots(x)
        gradient, scores = self.density(x)[1], []
        for number, (b, root) in enumerate(zip(effects, roots, strict=True)):
            place = self.density.shape.place(number)
            scores.append(np.linalg.solve(root.T, (gradient[place] + x[place]).reshape(b.shape).T).T)
        return np.maximum(weights, 0.0), scores

    def _plain(self, point: Array, effects: Sequence[Array], *, at_zero: bool = False) -> Array:
        """Return the coordinates (dim,) of globals and effects, the coordinates of sds at 0 if so asked."""
        x = np.zeros(self.density.dim)
        x[: len(point)] = point
        if at_zero:
            for place in self.sds:
                x[place] = 0.0
        _, roots = self.density.weights_and_roots(x)  # which do not depend on the effects
        for number, (b, root) in enumerate(zip(effects, roots, strict=True)):
            x[self.density.shape.place(number)] = np.linalg.solve(root, b.T).T.ravel()
        return x

    def _share(self, point: Array, effects: Sequence[Array]) -> Array:
        """Return how much of its weight each row keeps, (n,): less in levels whose information falls as sds grow."""
        x, rows = self._plain(point, effects), self.density.rows
        share = np.ones(rows.n)
        known, _ = pseudo_data(self.density, x, self.sds)
        for number, held in enumerate(known):
            whole, root = self.density.information(x, number)
            kept = np.einsum("ijm,ip,jp->m", held, root, root) / np.einsum("mij,ip,jp->m", whole, root, root)
            share = np.minimum(share, np.clip(np.nan_to_num(kept, nan=1.0), 0.0, 1.0)[rows.index[number]])
        return share

    def expanded(self, density: Evaluator, x: Array) -> tuple[Array, list[Array]]:
        """Return coefficients (c,), centred, and effects (m, k) a block, at coordinates of a density."""
        beta, effects = density.expanded(x)
        centre = centre_of(self.model)
        if self.model.design.has_intercept:
            beta[0] += centre @ beta[1:]
        parts = np.split(effects, np.cumsum([m * k for m, k in density.shape.blocks])[:-1])
        return beta[self.where], [b.reshape(size) for b, size in zip(parts, density.shape.blocks, strict=True)]


def _finite_at_zero(prior: Prior) -> bool:
    """Whether the density of a prior above zero is finite and not zero there."""
    near, nearer = (float(log_density(prior, np.array([x]))[0]) for x in (1e-200, 1e-300))
    return bool(np.isfinite(near) and abs(near - nearer) < 1e-6)


def _unbounded(model: Model) -> NDArray[np.int64]:
    intercept = [] if model.priors.intercept is None else [model.priors.intercept]
    bounds = [assigned.prior.bounds for assigned in (*intercept, *model.priors.slopes)]
    return np.array([i for i, own in enumerate(bounds) if own == WHOLE_LINE], dtype=np.int64)


def _columns(model: Model, density: Evaluator) -> Array:
    """Return the columns of the coefficients that may be anywhere on the line, (n, c)."""
    ones = np.ones((density.rows.n, int(model.design.has_intercept)))
    return np.column_stack([ones, density.rows.x - centre_of(model)])[:, _unbounded(model)]


def _prior_precision(data: ModelData, density: Evaluator, start: Array, units: Array) -> Array:
    """Return minus the second derivatives of the log priors of coefficients, (c,), at least a little above zero."""
    alone = data.bound(prior_only=True)
    prior, where = Evaluator(alone.header, alone.kept, density.rows, density.shape), _unbounded(data.model)
    found = np.empty(len(where))
    for i, at in enumerate(where):
        step = np.zeros(density.dim)
        step[at] = STEP * units[at]
        found[i] = prior.slope(start, step)[at] / step[at]
    return np.maximum(np.nan_to_num(found), _LEAST_PRECISION / units[where] ** 2)
