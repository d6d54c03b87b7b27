"""`Evidence.of(fit)`: p(y | σ = 0) / p(y), as the ratio of two marginal likelihoods, however small it is.

Both models are integrated over the few parameters θ that are left when the random effects are integrated out of each
group exactly: the fitted one by bridge sampling between its draws and a multivariate t, the one without an effect by
importance sampling from a t about its mode.

References
----------
Meng & Wong (1996), Statistica Sinica 6, 831-860: the bridge.
Frühwirth-Schnatter (2004), Econometrics Journal 7, 143-167: its error with dependent draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bayesglmm.marginalize.group_likelihood import integral_points
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.sensitivity.integrated_posterior import Target
from bayesglmm.sensitivity.thinning import MARGINAL_LIKELIHOOD, step_for_count
from bayesglmm.specify.model import Model

__all__ = ["Evidence", "Measured"]

type Array = NDArray[np.float64]

_FREEDOM = 5.0
"""Degrees of freedom of the t proposals."""

_STEP = 1e-3
"""Step of finite differences, in posterior sds of the fitted model."""


@dataclass(frozen=True)
class Measured:
    """A number on the log scale, with its Monte Carlo standard error."""

    log: float
    error: float


@dataclass(frozen=True, eq=False)
class Evidence:
    """The marginal likelihood of a fitted model, and its ratios to those of the models without one effect.

    Parameters
    ----------
    model, draws
        The model, and the thinned draws of its posterior.
    chains
        The number of chains of the draws.
    """

    model: Model
    draws: Draws
    chains: int

    @classmethod
    def of(cls, fit: Fitted, draws: int | None = None) -> "Evidence | None":
        """Return the evidence of a fit; None if its effects cannot be integrated out exactly, or only slowly.

        Parameters
        ----------
        fit
            The fit.
        draws
            The number of draws at most, whatever time that takes; None for 200 to 500.
        """
        design, sizes = fit.model.design, fit.posterior.sizes
        points = integral_points(design)
        if points is None:
            return None
        budget, cost = MARGINAL_LIKELIHOOD, 2 * design.n * points
        if draws is None and budget.fewest * cost > budget.evaluations:
            return None
        count = None if draws is None else min(max(draws, budget.fewest), budget.most or draws)
        step = step_for_count(budget, sizes["chain"] * sizes["draw"], 8 * cost, count)
        posterior = Thinned(fit.model, fit.draws, step).posterior
        return cls(fit.model, Draws(posterior, design), sizes["chain"])

    def without(self, block: int, column: int) -> Measured:
        """Return log p(y | σ = 0) − log p(y) for the effect of a column of a block."""
        target = Target(self.model, (block, column))
        rng = np.random.default_rng([block, column])
        without_effect = _by_importance(target, target.coordinates(self.draws), self.draws.size, rng)
        return Measured(
            without_effect.log - self._fitted.log, float(np.hypot(without_effect.error, self._fitted.error))
        )

    @cached_property
    def _fitted(self) -> Measured:
        target = Target(self.model)
        return _by_bridge(target, target.coordinates(self.draws), self.chains, np.random.default_rng(0))


@dataclass(frozen=True, eq=False)
class _T:
    """A multivariate t on d coordinates, with 5 degrees of freedom: its mean and the lower root of its scale."""

    mean: Array
    root: Array

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        scale = np.sqrt(rng.chisquare(_FREEDOM, size) / _FREEDOM)
        return np.asarray(self.mean + (rng.standard_normal((size, len(self.mean))) / scale[:, None]) @ self.root.T)

    def log_density(self, x: Array) -> Array:
        d = len(self.mean)
        standard = np.linalg.solve(self.root, (x - self.mean).T)
        constant = (
            special.gammaln((_FREEDOM + d) / 2) - special.gammaln(_FREEDOM / 2) - d / 2 * np.log(_FREEDOM * np.pi)
        )
        constant -= np.log(np.diag(self.root)).sum()
        return np.asarray(constant - (_FREEDOM + d) / 2 * np.log1p(np.square(standard).sum(axis=0) / _FREEDOM))

    @classmethod
    def like(cls, x: Array, weights: Array | None = None) -> "_T":
        """Return the t with the mean and covariance of points (s, d)."""
        mean = np.average(x, axis=0, weights=weights)
        scale = np.atleast_2d(np.cov(x.T, aweights=weights)) * (_FREEDOM - 2) / _FREEDOM
        variances = np.diag(scale)
        return cls(mean, np.linalg.cholesky(scale + 1e-12 * np.diag(np.where(variances > 0, variances, 1e-12))))


def _by_bridge(target: Target, drawn: Array, chains: int, rng: np.random.Generator) -> Measured:
    """Return the log marginal likelihood from draws of the posterior and as many of a t of the same moments.

    Meng & Wong's optimal bridge: r = mean over the t of l/(s l + (1 − s) r) divided by the mean over the draws of
    1/(s l + (1 − s) r), with l = target / t and s the share of effective draws, iterated to a fixed point.
    """
    import arviz as az

    proposal, size = _T.like(drawn), len(drawn)
    proposed = proposal.draw(rng, size)
    log_at_drawn, log_at_proposed = (target(x) - proposal.log_density(x) for x in (drawn, proposed))
    shift = float(np.median(log_at_drawn))
    at_drawn, at_proposed = (np.exp(np.minimum(log - shift, 500)) for log in (log_at_drawn, log_at_proposed))
    effective = min(float(az.ess(log_at_drawn.reshape(chains, -1), method="mean")), float(size))
    share = effective / (effective + size)
    ratio = 1.0
    for _ in range(1000):
        before = ratio
        numerator = at_proposed / (share * at_proposed + (1 - share) * ratio)
        denominator = 1 / (share * at_drawn + (1 - share) * ratio)
        ratio = float(numerator.mean() / denominator.mean())
        if abs(ratio / before - 1) < 1e-10:
            break
    inflation = size / min(float(az.ess(denominator.reshape(chains, -1), method="mean")), float(size))
    relative_variance = (
        numerator.var() / numerator.mean() ** 2 + inflation * denominator.var() / denominator.mean() ** 2
    )
    return Measured(shift + float(np.log(ratio)), float(np.sqrt(relative_variance / size)))


def _by_importance(target: Target, start: Array, size: int, rng: np.random.Generator) -> Measured:
    """Return the log marginal likelihood by importance sampling from a t about the mode, adapted up to twice."""
    if not start.shape[1]:  # no parameter is left to integrate over
        return Measured(float(target(start[:1])[0]), 0.0)
    proposal, estimate = _about_mode(target, start.mean(axis=0), start.std(axis=0)), Measured(-np.inf, np.inf)
    for _ in range(3):
        x = proposal.draw(rng, size)
        log_weights = target(x) - proposal.log_density(x)
        largest = float(log_weights.max())
        if not np.isfinite(largest):
            return Measured(-np.inf, np.inf)
        weights = np.exp(log_weights - largest)
        error = float(weights.std() / weights.mean() / np.sqrt(size))
        estimate = Measured(largest + float(np.log(weights.mean())), error)
        if weights.sum() ** 2 / np.square(weights).sum() < 5 * x.shape[1]:
            break
        proposal = _T.like(x, weights)
    return estimate


def _about_mode(target: Target, mean: Array, scale: Array) -> _T:
    """Return the t about the mode of a target, with its curvature, from a mean and sds of the fitted posterior."""
    from scipy import optimize

    d, scale = len(mean), np.where(scale > 0, scale, 1e-8 * np.maximum(np.abs(mean), 1.0))

    def value(z: Array) -> Array:
        return np.maximum(target(mean + z * scale), -1e300)

    def objective(z: Array) -> tuple[float, Array]:
        around = value(np.vstack([z, z + _STEP * np.eye(d), z - _STEP * np.eye(d)]))
        return -float(around[0]), -(around[1 : d + 1] - around[d + 1 :]) / (2 * _STEP)

    search = optimize.minimize(objective, np.zeros(d), jac=True, method="BFGS", options={"gtol": 1e-2, "maxiter": 200})
    z = np.asarray(search.x)
    near = value(np.vstack([z, z + 10 * _STEP * np.eye(d), z - 10 * _STEP * np.eye(d)]))
    diagonal = (2 * near[0] - near[1 : d + 1] - near[d + 1 :]) / (10 * _STEP) ** 2
    step = 0.3 / np.sqrt(np.maximum(diagonal, 1e-2))
    curvature = _curvature(value, z, step)
    values, vectors = np.linalg.eigh(curvature)
    root = step[:, None] * vectors / np.sqrt(np.maximum(values, 1e-2 * max(float(values.max()), 1e-8)))
    inverse = scale[:, None] * (root @ root.T) * scale
    return _T(mean + z * scale, np.linalg.cholesky(inverse + 1e-12 * np.diag(np.diag(inverse))))


def _curvature(value: Callable[[Array], Array], z: Array, step: Array) -> Array:
    """Return minus the matrix of second differences of a function at z (d,), in units of the steps (d,)."""
    d = len(z)
    steps = np.diag(step)
    rows, columns = np.tril_indices(d)
    signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    points = np.concatenate([z + first * steps[rows] + second * steps[columns] for first, second in signs])
    corners = value(points).reshape(4, -1)
    curvature = np.zeros((d, d))
    curvature[rows, columns] = curvature[columns, rows] = -(corners[0] - corners[1] - corners[2] + corners[3]) / 4
    return curvature
