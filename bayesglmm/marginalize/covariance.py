"""`shared_covariance`: the covariance of the means of two members who share random effects, one-dimensional.

Two members of the population at the same x, whose linear predictors have a common Gaussian part of variance v₁ and
independent ones of variance v₂, have means with the covariance

    Var(m(η + √v₁ z)) over z ~ N(0, 1),    m(η) = E g⁻¹(η + √v₂ z′).

References
----------
Goldstein, Browne & Rasbash (2002), Understanding Statistics 1, 223-231 (by simulation).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bayesglmm.marginalize.mean import CHUNK, FARTHEST, mean_over_b, normal_nodes, settle
from bayesglmm.specify.families.averaging import REACH, Closed, Latent
from bayesglmm.specify.families.links import Link

__all__ = ["shared_covariance"]

type Array = NDArray[np.float64]

_VALUES = 2**20
"""The most means in memory where each node of the trapezoid needs one."""


def shared_covariance(link: Link, eta: ArrayLike, shared: ArrayLike, separate: ArrayLike = 0.0) -> Array:
    """Return the covariance of the means of two who share random effects, elementwise; response scale, squared.

    Parameters
    ----------
    link
        The link g.
    eta
        The linear predictor at b = 0, any shape; link scale.
    shared
        The variance v₁ of the common part, a shape that broadcasts with `eta`.
    separate
        The variance v₂ of each independent part; 0 returns the variance of the mean over b.

    Returns
    -------
    Array
        With absolute error below 1e-9 where μ is a probability, and of rounding elsewhere; infinite where
        too large for a double.

    Raises
    ------
    OptionError
        As `bayesglmm.marginalize.mean.mean_over_b`.
    """
    arrays = (np.asarray(values, dtype=np.float64) for values in (eta, shared, separate))
    eta, shared, separate = np.broadcast_arrays(*arrays)
    if isinstance(link.averaging, Closed):
        with np.errstate(over="ignore"):
            return np.asarray(link.averaging.covariance(eta, shared, separate))
    mean_over_b(link, 0.0, 0.0)  # refuses a link without averages
    return _by_quadrature(link, eta, shared, separate)


def _by_quadrature(link: Link, eta: Array, shared: Array, separate: Array) -> Array:
    """Return the covariance by the trapezoid over z, whose step follows √v₁: chunk by chunk, by size of √v₁."""
    flat_eta, flat_separate, s = eta.reshape(-1), separate.reshape(-1), np.sqrt(shared.reshape(-1))
    out = np.zeros(eta.size)
    order = np.argsort(s, kind="stable")
    order = order[s[order] > 0]
    for start in range(0, len(order), CHUNK):
        chunk = order[start : start + CHUNK]
        out[chunk] = _chunk(link, flat_eta[chunk], s[chunk], flat_separate[chunk])
    return out.reshape(eta.shape)


def _chunk(link: Link, eta: Array, s: Array, separate: Array) -> Array:
    """Return the variance over z of m(η + s z), shape (n,)."""
    if isinstance(link.averaging, Latent):
        half = int(np.ceil(REACH * max(s.max() / link.averaging.step, 1 / 0.6)))
        return _variance(link, eta, s, separate, REACH, half)
    unit = link.range == "unit"
    width = np.ones_like(eta) if unit else np.asarray(link.inverse(eta + s) - link.inverse(eta - s))
    reach = REACH if unit else FARTHEST

    def variance(half: int, which: NDArray[np.int64]) -> Array:
        if not separate.any():
            return _variance(link, eta[which], s[which], separate[which], reach, half)
        return _variance_of_means(link, eta[which], s[which], separate[which], reach, half)

    return settle(
        variance,
        1e-3 * np.square(width),
        f"the covariance under the {link.name} link does not converge: the inverse of the link is not smooth",
        close=1e-8,
    )


def _variance_of_means(link: Link, eta: Array, s: Array, separate: Array, reach: float, half: int) -> Array:
    """Return the variance where each node needs a mean over b: many nodes at once."""
    z, weights = normal_nodes(reach, half)
    rows = max(1, _VALUES // len(z))
    variances = []
    for start in range(0, len(eta), rows):
        part = slice(start, start + rows)
        value = mean_over_b(link, eta[part, None] + s[part, None] * z, separate[part, None])
        variances.append(np.square(value - (value @ weights)[:, None]) @ weights)
    return np.concatenate(variances)


def _variance(link: Link, eta: Array, s: Array, separate: Array, reach: float, half: int) -> Array:
    """Return the variance by the trapezoid of 2 half + 1 nodes, in one pass (Welford)."""
    z, weights = normal_nodes(reach, half)
    total, mean, squares = 0.0, np.zeros_like(eta), np.zeros_like(eta)
    plain = not separate.any()
    for node, weight in zip(z.tolist(), weights.tolist(), strict=True):
        with np.errstate(over="ignore", under="ignore"):
            value = link.inverse(eta + s * node) if plain else mean_over_b(link, eta + s * node, separate)
        total += weight
        deviation = value - mean
        mean += deviation * (weight / total)
        squares += weight * deviation * (value - mean)
    return squares / total
