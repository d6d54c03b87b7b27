"""`bridge(target, drawn, chains, rng)`: the integral of a density from draws of it, by bridge sampling.

Half of the draws fit a multivariate t, the other half are compared with points of it, and the halves are exchanged:
a proposal fitted to the very draws it is compared with would make the integral too small.

References
----------
Meng & Wong (1996), Statistica Sinica 6, 831-860: the bridge.
Frühwirth-Schnatter (2004), Econometrics Journal 7, 143-167: its error with dependent draws.
Overstall & Forster (2010), Computational Statistics & Data Analysis 54, 3269-3288: why the draws are divided.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = ["FREEDOM", "Measured", "MultivariateT", "bridge"]

type Array = NDArray[np.float64]

FREEDOM = 5.0
"""Degrees of freedom of a t proposal."""

_ITERATIONS = 1000
"""The most steps of the fixed-point iteration; ten are usual."""


@dataclass(frozen=True)
class Measured:
    """A number on the log scale, with its Monte Carlo standard error."""

    log: float
    error: float


@dataclass(frozen=True, eq=False)
class MultivariateT:
    """A multivariate t on d coordinates: its mean, the lower root of its scale, its degrees of freedom."""

    mean: Array
    root: Array
    freedom: float = FREEDOM

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Return points, (size, d)."""
        scale = np.sqrt(rng.chisquare(self.freedom, size) / self.freedom)
        return np.asarray(self.mean + (rng.standard_normal((size, len(self.mean))) / scale[:, None]) @ self.root.T)

    def log_density(self, x: Array) -> Array:
        """Return the log density, (s,), at points (s, d)."""
        d, freedom = len(self.mean), self.freedom
        standard = np.linalg.solve(self.root, (x - self.mean).T)
        constant = special.gammaln((freedom + d) / 2) - special.gammaln(freedom / 2) - d / 2 * np.log(freedom * np.pi)
        constant -= np.log(np.diag(self.root)).sum()
        return np.asarray(constant - (freedom + d) / 2 * np.log1p(np.square(standard).sum(axis=0) / freedom))

    @classmethod
    def like(cls, x: Array, weights: Array | None = None, freedom: float = FREEDOM) -> "MultivariateT":
        """Return the t with the mean and covariance of points (s, d)."""
        mean = np.average(x, axis=0, weights=weights)
        scale = np.atleast_2d(np.cov(x.T, aweights=weights)) * (freedom - 2) / freedom
        variances = np.diag(scale)
        root = np.linalg.cholesky(scale + 1e-12 * np.diag(np.where(variances > 0, variances, 1e-12)))
        return cls(mean, root, freedom)


def bridge(target: Callable[[Array], Array], drawn: Array, chains: int, rng: np.random.Generator) -> Measured:
    """Return the log of the integral of a density.

    Parameters
    ----------
    target
        The log density (s,) at points (s, d), not normalised.
    drawn
        (s, d) draws from it, chain after chain.
    chains
        The number of chains.
    rng
        Draws the points of the t, as many as there are draws.

    Returns
    -------
    Measured
        The mean of the estimates from the two halves. Its error allows for the dependence of the draws, and is a
        quarter of the halves' difference where that is more.
    """
    d = drawn.shape[1]
    if not d:  # no parameter is left to integrate over
        return Measured(float(target(drawn[:1])[0]), 0.0)
    by_chain, log_target = drawn.reshape(chains, -1, d), target(drawn).reshape(chains, -1)
    middle = by_chain.shape[1] // 2
    halves = (slice(None, middle), slice(middle, None))
    estimates = []
    for fitted, compared in (halves, halves[::-1]):
        proposal = MultivariateT.like(by_chain[:, fitted].reshape(-1, d), freedom=max(FREEDOM, float(d)))
        at_drawn = log_target[:, compared] - proposal.log_density(by_chain[:, compared].reshape(-1, d)).reshape(
            chains, -1
        )
        proposed = proposal.draw(rng, at_drawn.size)
        estimates.append(_optimal_bridge(at_drawn, target(proposed) - proposal.log_density(proposed)))
    first, second = estimates
    error = max(float(np.hypot(first.error, second.error)) / 2, abs(first.log - second.log) / 4)
    return Measured((first.log + second.log) / 2, error)


def _optimal_bridge(log_at_drawn: Array, log_at_proposed: Array) -> Measured:
    """Return the log of the integral from log(target / proposal) at draws (chains, s) and at points (m,).

    Meng & Wong's optimal bridge: r = mean over the points of l/(s l + (1 − s) r) divided by the mean over the draws of
    1/(s l + (1 − s) r), with l = target / proposal and s the share of effective draws, iterated to a fixed point.
    """
    import arviz as az

    chains, size, points = len(log_at_drawn), log_at_drawn.size, len(log_at_proposed)
    shift = float(np.median(log_at_drawn))
    at_drawn, at_proposed = (np.exp(np.minimum(log - shift, 500)) for log in (log_at_drawn.ravel(), log_at_proposed))
    effective = min(float(az.ess(log_at_drawn, method="mean")), float(size))
    share = effective / (effective + points)
    ratio = 1.0
    for _ in range(_ITERATIONS):
        before = ratio
        numerator = at_proposed / (share * at_proposed + (1 - share) * ratio)
        denominator = 1 / (share * at_drawn + (1 - share) * ratio)
        ratio = float(numerator.mean() / denominator.mean())
        if abs(ratio / before - 1) < 1e-10:
            break
    independent = min(float(az.ess(denominator.reshape(chains, -1), method="mean")), float(size))
    relative_variance = numerator.var() / numerator.mean() ** 2 / points
    relative_variance += denominator.var() / denominator.mean() ** 2 / independent
    return Measured(shift + float(np.log(ratio)), float(np.sqrt(relative_variance)))
