"""Priors in numpy: draws from them, and their normalized log densities."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.distributions import (
    Beta,
    Cauchy,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InvGamma,
    Laplace,
    LogNormal,
    Normal,
    Prior,
    StudentT,
    TruncatedGamma,
    Uniform,
)
from bayesglmm.specify.priors.own import Custom
from bayesglmm.specify.priors.powers import Power

__all__ = ["draw", "log_density"]

type Array = NDArray[np.float64]

_EDGE = 1e-300
"""Stands for a zero whose logarithm is asked for."""


def draw(prior: Prior, rng: np.random.Generator, shape: int | tuple[int, ...]) -> Array:
    """Draw from a prior of a single number.

    Raises
    ------
    PriorError
        For a prior that is improper or of a matrix.
    """
    match prior:
        case Normal(mu, sigma):
            values: Any = rng.normal(mu, sigma, shape)
        case StudentT(nu, mu, sigma):
            values = mu + sigma * rng.standard_t(nu, shape)
        case Cauchy(mu, sigma):
            values = mu + sigma * rng.standard_cauchy(shape)
        case Laplace(mu, b):
            values = rng.laplace(mu, b, shape)
        case Uniform(lower, upper):
            values = rng.uniform(lower, upper, shape)
        case Exponential(rate):
            values = rng.exponential(1 / rate, shape)
        case Gamma(a, rate):
            values = rng.gamma(a, 1 / rate, shape)
        case TruncatedGamma(a, rate, lower):
            values = special.gammainccinv(a, special.gammaincc(a, rate * lower) * rng.random(shape)) / rate
        case InvGamma(a, scale):
            values = scale / np.maximum(rng.gamma(a, 1.0, shape), _EDGE)
        case LogNormal(mu, sigma):
            values = rng.lognormal(mu, sigma, shape)
        case HalfNormal(sigma):
            values = np.abs(rng.normal(0.0, sigma, shape))
        case HalfStudentT(nu, _, sigma):
            values = np.abs(sigma * rng.standard_t(nu, shape))
        case HalfCauchy(scale):
            values = np.abs(scale * rng.standard_cauchy(shape))
        case Beta(a, b):
            values = rng.beta(a, b, shape)
        case Power(of):
            values = np.maximum(draw(of, rng, shape), _EDGE) ** (1 / prior.power)
        case Custom():
            values = prior.quantiles(rng.random(shape)) if prior.draw is None else prior.draw(rng, shape)
        case _:
            raise PriorError(f"{prior} cannot be drawn from; give a proper prior of a single number")
    return np.asarray(values, dtype=np.float64)


def log_density(prior: Prior, x: ArrayLike) -> Array:
    """Return the normalized log density of a prior of a single number, elementwise; 0 everywhere for flat.

    At an end of the support it is the limit from within, which may be infinite or very large.
    """
    values = np.asarray(x, dtype=np.float64)
    if isinstance(prior, Power):
        return _of_power(prior, values)
    lower, upper = prior.bounds
    inside = (values >= lower) & (values <= upper)
    at = np.where(inside, values, 0.5 if np.isfinite(upper - lower) else lower + 1.0)
    if prior.kind == "positive":
        at = np.maximum(at, _EDGE)
    if isinstance(prior, Beta):
        at = np.minimum(at, 1 - 2**-53)
    if isinstance(prior, Custom):
        return np.where(inside, prior.at(at) + prior.log_constant, -np.inf)
    a, b, c = prior.constants()
    slope = [0.0]
    flat = [prior.density(value, a, b, c, slope) for value in at.reshape(-1).tolist()]
    return np.where(inside, np.reshape(flat, values.shape) + _log_constant(prior), -np.inf)


def _of_power(prior: Power, values: Array) -> Array:
    """Return the log density of θ where that of θ^p is known: f(θ^p) |p| θ^(p − 1)."""
    inside, p = values >= 0, prior.power
    at = np.clip(values, _EDGE, 1 / _EDGE)
    log_power = np.clip(p * np.log(at), np.log(_EDGE), -np.log(_EDGE))
    jacobian = np.log(abs(p)) + (p - 1) * np.log(at)
    return np.where(inside, log_density(prior.of, np.exp(log_power)) + jacobian, -np.inf)


def _log_constant(prior: Prior) -> float:
    """Return what the log density of a prior lacks to integrate to one."""
    normal = -0.5 * np.log(2 * np.pi)
    match prior:
        case Normal(_, sigma) | LogNormal(_, sigma):
            value: Any = normal - np.log(sigma)
        case HalfNormal(sigma):
            value = np.log(2) + normal - np.log(sigma)
        case StudentT(nu, _, sigma):
            value = _log_t(nu, sigma)
        case HalfStudentT(nu, _, sigma):
            value = np.log(2) + _log_t(nu, sigma)
        case Cauchy(_, scale):
            value = -np.log(np.pi * scale)
        case HalfCauchy(scale):
            value = np.log(2) - np.log(np.pi * scale)
        case Laplace(_, b):
            value = -np.log(2 * b)
        case Uniform(lower, upper):
            value = -np.log(upper - lower)
        case Exponential(rate):
            value = np.log(rate)
        case Gamma(a, b) | InvGamma(a, b):
            value = a * np.log(b) - special.gammaln(a)
        case TruncatedGamma(a, b, lower):
            value = a * np.log(b) - special.gammaln(a) - np.log(special.gammaincc(a, b * lower))
        case Beta(a, b):
            value = -special.betaln(a, b)
        case Flat():
            value = 0.0
        case _:
            raise PriorError(f"the density of {prior} is not known; use a prior of a single number")
    return float(value)


def _log_t(nu: float, sigma: float) -> Any:
    return special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - np.log(sigma)
