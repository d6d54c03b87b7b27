"""`Evidence.of(fit)`: p(y | σ = 0) / p(y), as the ratio of two marginal likelihoods, however small it is.

Both models are integrated over the few parameters θ that are left when the random effects are integrated out of each
group exactly: the fitted one by bridge sampling between its draws and a multivariate t, the one without an effect by
importance sampling from a t about its mode.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bayesglmm.marginalize.group_likelihood import integral_points
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.sensitivity.bridge import Measured, MultivariateT, bridge
from bayesglmm.sensitivity.integrated_posterior import Target
from bayesglmm.sensitivity.thinning import MARGINAL_LIKELIHOOD, step_for_count
from bayesglmm.specify.model import Model

__all__ = ["Evidence"]

type Array = NDArray[np.float64]

_STEP = 1e-3
"""Step of finite differences, in posterior sds of the fitted model."""


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
        return bridge(target, target.coordinates(self.draws), self.chains, np.random.default_rng(0))


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
        proposal = MultivariateT.like(x, weights)
    return estimate


def _about_mode(target: Target, mean: Array, scale: Array) -> MultivariateT:
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
    return MultivariateT(mean + z * scale, np.linalg.cholesky(inverse + 1e-12 * np.diag(np.diag(inverse))))


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
