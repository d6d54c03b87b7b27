"""Priors in numpy: draws from them, and their normalized log densities."""

import numpy as np
from numpy.typing import ArrayLike

from bayesglmm.specify.priors.custom_density import Custom
from bayesglmm.specify.priors.powers import Power
from bayesglmm.specify.priors.prior import TINY, Array, Prior, Shape

__all__ = ["draw", "log_density"]


def draw(prior: Prior, rng: np.random.Generator, shape: Shape) -> Array:
    """Draw from a prior of a single number.

    Raises
    ------
    PriorError
        For a prior that is improper or of a matrix.
    """
    return np.asarray(prior.draws(rng, shape), dtype=np.float64)


def log_density(prior: Prior, x: ArrayLike) -> Array:
    """Return the normalized log density of a prior of a single number, elementwise; 0 everywhere for flat.

    At an end of the support it is the limit from within, which may be infinite or very large.
    """
    values = np.asarray(x, dtype=np.float64)
    if isinstance(prior, Power):
        return _of_power(prior, values)
    lower, upper = prior.bounds
    inside = (values >= lower) & (values <= upper)
    point = np.where(inside, values, 0.5 if np.isfinite(upper - lower) else lower + 1.0)
    if prior.domain == "positive":
        point = np.maximum(point, TINY)
    if isinstance(prior, Custom):
        return np.where(inside, prior.values(point) + prior.log_constant, -np.inf)
    if np.isfinite(upper):
        point = np.minimum(point, np.nextafter(upper, -np.inf))
    a, b, c = prior.constants()
    slope = [0.0]
    flat = [prior.density(value, a, b, c, slope) for value in point.reshape(-1).tolist()]
    return np.where(inside, np.reshape(flat, values.shape) + prior.log_constant, -np.inf)


def _of_power(prior: Power, values: Array) -> Array:
    """Return the log density of θ where that of θ^p is known: f(θ^p) |p| θ^(p − 1)."""
    inside, p = values >= 0, prior.power
    theta = np.clip(values, TINY, 1 / TINY)
    log_power = np.clip(p * np.log(theta), np.log(TINY), -np.log(TINY))
    jacobian = np.log(abs(p)) + (p - 1) * np.log(theta)
    return np.where(inside, log_density(prior.inner, np.exp(log_power)) + jacobian, -np.inf)
