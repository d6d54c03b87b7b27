"""What two outcomes share because they share random effects: covariances of means over b, one-dimensional.

Two members of the population at the same x whose linear predictors share a Gaussian part of variance v₁, and
have parts of variance v₂ of their own, have means with the covariance

    Var(m(η + √v₁ z)) over z ~ N(0, 1),    m(η) = E g⁻¹(η + √v₂ z′).

References
----------
Goldstein, Browne & Rasbash (2002), Understanding Statistics 1, 223-231: this by simulation.
Owen (1956), Annals of Mathematical Statistics 27, 1075-1090: the bivariate normal probability.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from bayesglmm.integrate import mean_over_b
from bayesglmm.integrate.mean import CHUNK, REACH
from bayesglmm.links import Link

__all__ = ["shared_covariance"]

type Array = NDArray[np.float64]

_STEP = {"logit": 0.5, "cloglog": 0.3, "cauchit": 0.2}
"""Step of the trapezoid over the linear predictor: set by how far from the real line g⁻¹ stays bounded."""


def shared_covariance(link: Link, eta: ArrayLike, shared: ArrayLike, own: ArrayLike = 0.0) -> Array:
    """Return the covariance of the means of two who share random effects, elementwise; response scale, squared.

    Parameters
    ----------
    link
        The link g.
    eta
        The linear predictor at b = 0, any shape; link scale.
    shared
        The variance of what they share, v₁, a shape that broadcasts with `eta`.
    own
        The variance of what each has of its own, v₂; 0 returns the variance of the mean over b.

    Returns
    -------
    Array
        With absolute error below 1e-9 where μ is a probability, and of rounding elsewhere; infinite where
        too large for a double.

    Raises
    ------
    OptionError
        As `bayesglmm.integrate.mean_over_b`.
    """
    arrays = (np.asarray(values, dtype=np.float64) for values in (eta, shared, own))
    eta, shared, own = np.broadcast_arrays(*arrays)
    match link.name:
        case "identity":
            return shared.copy()
        case "log":
            with np.errstate(over="ignore"):
                return np.asarray(np.exp(2 * eta + shared + own) * np.expm1(shared))
        case "sqrt":
            return np.asarray(2 * shared**2 + 4 * eta**2 * shared)
        case "probit":
            return _probit(eta, shared, own)
    mean_over_b(link, 0.0, 0.0)
    return _by_quadrature(link, eta, shared, own)


def _probit(eta: Array, shared: Array, own: Array) -> Array:
    """Return Φ₂(h, h; ρ) − Φ(h)², h = η/√(1 + v), ρ = v₁/(1 + v), by Owen's T: Φ₂ = Φ(h) − 2T(h, √((1−ρ)/(1+ρ)))."""
    total = 1 + shared + own
    h, rho = eta / np.sqrt(total), shared / total
    both = special.ndtr(h) - 2 * special.owens_t(h, np.sqrt((1 - rho) / (1 + rho)))
    return np.asarray(np.where(shared > 0, both - special.ndtr(h) ** 2, 0.0))


def _by_quadrature(link: Link, eta: Array, shared: Array, own: Array) -> Array:
    """Return the covariance by the trapezoid over z, whose step follows √v₁: chunk by chunk, by size of √v₁."""
    flat_eta, flat_own, s = eta.reshape(-1), own.reshape(-1), np.sqrt(shared.reshape(-1))
    out = np.zeros(eta.size)
    order = np.argsort(s, kind="stable")
    order = order[s[order] > 0]
    for start in range(0, len(order), CHUNK):
        here = order[start : start + CHUNK]
        out[here] = _chunk(link, flat_eta[here], s[here], flat_own[here])
    return out.reshape(eta.shape)


def _chunk(link: Link, eta: Array, s: Array, own: Array) -> Array:
    """Return the variance over z of m(η + s z), shape (n,), in one pass that keeps a running mean."""
    half = int(np.ceil(REACH * max(s.max() / _STEP[link.name], 1 / 0.6)))
    z = np.linspace(-REACH, REACH, 2 * half + 1)
    weights = np.exp(-np.square(z) / 2)
    total, mean, squares = 0.0, np.zeros_like(eta), np.zeros_like(eta)
    plain = not own.any()
    for node, weight in zip(z.tolist(), weights.tolist(), strict=True):
        with np.errstate(over="ignore", under="ignore"):
            value = link.inverse(eta + s * node) if plain else mean_over_b(link, eta + s * node, own)
        total += weight
        away = value - mean
        mean += away * (weight / total)
        squares += weight * away * (value - mean)
    return squares / total
