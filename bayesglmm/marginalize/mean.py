"""Averages over Gaussian random effects: exact to 1e-10, deterministic, one-dimensional.

Given x, the linear predictor of a member of the population is η + √v z with z ~ N(0, 1) and v = Σ zᵀGz
over the blocks that are integrated, so its mean is E g⁻¹(η + √v z) however many blocks there are.
How to average is a property of the link (`families.averaging`). Without a closed form g⁻¹ is the distribution function
of a latent variable L, g⁻¹(η) = P(L < η), and the mean has two forms:

    E g⁻¹(η + √v z)   smooth in z while √v is small       (trapezoid over z)
    E Φ((η − L)/√v)   smooth in L once √v is large        (Gauss rule for L)

Each is used where it is smooth. For any other link the trapezoid over z is refined until it converges.

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Crouch & Spiegelman (1990), Journal of the American Statistical Association 85, 464-469.
Asmussen, Jensen & Rojas-Nandayapa (2016), Methodology and Computing in Applied Probability 18, 441-458.
Trefethen & Weideman (2014), SIAM Review 56, 385-458: why the trapezoid converges geometrically.
Golub & Welsch (1969), Mathematics of Computation 23, 221-230.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.linalg import eigh_tridiagonal

from bayesglmm.errors import OptionError
from bayesglmm.specify.families.averaging import REACH, Closed, Latent, Rule, Settled, Undefined
from bayesglmm.specify.families.links import Link

__all__ = ["link_of_mean", "mean_over_b", "normal_nodes", "settle"]

type Array = NDArray[np.float64]

CHUNK = 8_192
"""Elements in a chunk, so few that the temporaries of a core stay in its cache."""

FAR, FARTHEST = 12.0, 30.0
"""The range of the refined trapezoid: for probabilities, correct to 1e-18, and for unbounded means."""

_FEWEST, _MOST = 32, 2**15
"""The first and the largest number of steps on either side of 0 of the refined trapezoid."""

_SETTLED = 1e-12
"""The largest relative change at convergence, when the step is halved; the error is about its square."""


def mean_over_b(link: Link, eta: ArrayLike, v: ArrayLike) -> Array:
    """Average the mean over a Gaussian linear predictor: E g⁻¹(η + N(0, v)), elementwise.

    Parameters
    ----------
    link
        The link g.
    eta
        The linear predictor at b = 0, any shape; link scale.
    v
        The variance of zᵀb summed over the integrated blocks, a shape that broadcasts with `eta`; v = 0
        returns g⁻¹(η).

    Returns
    -------
    Array
        On the scale of the response, with absolute error below 1e-10 where μ is a probability and
        relative error of rounding elsewhere; infinite where the mean is too large for a double.

    Raises
    ------
    OptionError
        For a negative or infinite variance, for a link under which the average does not exist (the inverse link),
        and for one whose average does not converge.

    References
    ----------
    Zeger, Liang & Albert (1988); Crouch & Spiegelman (1990).
    """
    eta, v = np.broadcast_arrays(np.asarray(eta, dtype=np.float64), np.asarray(v, dtype=np.float64))
    if not (np.isfinite(v) & (v >= 0)).all():
        raise OptionError("v is a variance: finite and not negative; check the covariance of the random effects")
    match link.averaging:
        case Closed(mean=mean):
            with np.errstate(over="ignore"):
                return np.asarray(mean(eta, v))
        case Undefined(reason):
            raise OptionError(
                f"the mean under the {link.name} link has no average over Gaussian random effects: {reason}; "
                "the frames that are defined are 'typical', 'group' and 'new_group'"
            )
        case Latent() as latent:
            return _in_chunks(lambda *part: np.clip(_latent_mean(link, latent, *part), 0.0, 1.0), eta, v)
        case Settled():
            return _in_chunks(lambda *part: _settled_mean(link, *part), eta, v)


def link_of_mean(link: Link, eta: ArrayLike, v: ArrayLike) -> Array:
    """Return g(E g⁻¹(η + N(0, v))), the linear predictor of the averaged mean, elementwise; link scale.

    Both tails keep their digits, where g of a probability rounded to 1 would be infinite; under a link that is
    neither symmetric nor has `near_one`, a probability is cut off at 1 − 1.1e-16.

    Parameters
    ----------
    link, eta, v
        As in `mean_over_b`; v = 0 returns η, and under the sqrt link its absolute value.

    Raises
    ------
    OptionError
        As `mean_over_b`.

    References
    ----------
    Hedeker, du Toit, Demirtas & Gibbons (2018), Biometrics 74, 354-361.
    """
    eta, v = np.broadcast_arrays(np.asarray(eta, dtype=np.float64), np.asarray(v, dtype=np.float64))
    averaging = link.averaging
    if isinstance(averaging, Closed) and (np.isfinite(v) & (v >= 0)).all():
        return np.asarray(averaging.link(eta, v))
    if isinstance(averaging, Latent) and averaging.mirror is not None:
        return -link_of_mean(averaging.mirror, -eta, v)
    if link.symmetric:
        out = np.asarray(-np.sign(eta) * link.link(mean_over_b(link, -np.abs(eta), v)))
    elif isinstance(averaging, Latent) and averaging.near_one is not None:
        out = _near_one(link, averaging.near_one, eta.reshape(-1), v.reshape(-1)).reshape(eta.shape)
    else:
        mean = mean_over_b(link, eta, v)
        inside = np.clip(mean, np.finfo(float).tiny, 1 - np.finfo(float).epsneg) if link.range == "unit" else mean
        out = np.asarray(link.link(inside))
    return np.asarray(np.where(v == 0, eta, out))


def settle(
    refined: Callable[[int, NDArray[np.int64]], Array], floor: Array, complaint: str, close: float = _SETTLED
) -> Array:
    """Halve the step of values (n,) until they no longer change.

    Parameters
    ----------
    refined
        From the number of steps and the indices of some of the n, their values.
    floor
        (n,) the least magnitude that changes are relative to.
    complaint
        The message of the error.
    close
        The largest relative change at convergence; the error is about its square.

    Raises
    ------
    OptionError
        If some do not converge.
    """
    left, steps = np.arange(len(floor)), _FEWEST
    out = refined(steps, left)
    while len(left):
        if steps >= _MOST:
            raise OptionError(complaint)
        steps *= 2
        finer = refined(steps, left)
        change = np.abs(finer - out[left])
        out[left] = finer
        left = left[~(change <= close * np.maximum(np.abs(finer), floor[left]))]
    return out


def _settled_mean(link: Link, eta: Array, s: Array) -> Array:
    """Return the mean, shape (n,), by a trapezoid over z that is refined until it converges."""
    out = np.asarray(link.inverse(eta), dtype=np.float64).copy()
    varying = np.flatnonzero(s > 0)
    if link.range == "unit":
        reach, floor = FAR, np.full(len(varying), 1e-18)
    else:
        sides = [link.inverse(eta[varying] + sign * s[varying]) for sign in (-1.0, 1.0)]
        reach, floor = FARTHEST, np.abs(sides[0]) + np.abs(sides[1])

    def trapezoid(steps: int, which: NDArray[np.int64]) -> Array:
        centre, width = eta[varying[which]], s[varying[which]]
        z, weights = normal_nodes(reach, steps)
        return _weighted((link.inverse(centre + width * node), weight) for node, weight in zip(z, weights, strict=True))

    out[varying] = settle(
        trapezoid,
        floor,
        f"the average of the mean under the {link.name} link over Gaussian random effects does not converge: the "
        "inverse of the link is not smooth, or the average is infinite; state with Link.averaging how to average",
    )
    return out


def _near_one(link: Link, near_one: Callable[[Array, Array], Array], eta: Array, v: Array) -> Array:
    """Return g of the mean, shape (n,), by the link's `near_one` where the mean is above 0.99."""
    mean = mean_over_b(link, eta, v)
    out, high = link.link(np.where(mean > 0.99, 0.5, mean)), np.flatnonzero(mean > 0.99)
    for start in range(0, len(high), CHUNK // 8):
        here = high[start : start + CHUNK // 8]
        out[here] = near_one(eta[here], np.sqrt(v[here]))
    return out


def _in_chunks(average: Callable[[Array, Array], Array], eta: Array, v: Array) -> Array:
    """Apply a function of η and √v chunk by chunk, on every core."""
    flat_eta, flat_v, out = eta.reshape(-1), v.reshape(-1), np.empty(eta.size)

    def work(start: int) -> None:
        part = slice(start, start + CHUNK)
        with np.errstate(over="ignore", under="ignore"):
            out[part] = average(flat_eta[part], np.sqrt(flat_v[part]))

    starts = range(0, eta.size, CHUNK)
    if len(starts) > 1:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(work, starts))
    elif starts:
        work(0)
    return out.reshape(eta.shape)


def _latent_mean(link: Link, latent: Latent, eta: Array, s: Array) -> Array:
    """Return the mean, shape (n,), for linear predictors (n,) with standard deviations (n,).

    It may round to one bit above 1.
    """
    last = len(latent.trapezoids)
    which = np.searchsorted(latent.edges, s)
    if latent.log_density is None:
        # |η|/√v this large: the kink of g⁻¹ lies where φ(z) is 0, and the trapezoid over z is exact again.
        which[(which == last) & (np.abs(eta) > REACH * s)] = last - 1
    which[s == 0] = -1
    out = np.empty_like(eta)
    for number in np.unique(which).tolist():
        here = np.flatnonzero(which == number)
        out[here] = link.inverse(eta[here]) if number < 0 else _one_bin(latent, number, eta[here], s[here])
    return out


def _one_bin(latent: Latent, number: int, eta: Array, s: Array) -> Array:
    """Return the mean for √v > 0 in one bin: the trapezoid over z, or the second form above the last of these."""
    if number < len(latent.trapezoids):
        end, step = latent.trapezoids[number]
        rule = _normal_rule(step / end)
        if latent.on_rule is not None:
            return latent.on_rule(eta, s, rule)
        return _weighted((latent.cdf(eta + s * z), weight) for z, weight in rule)
    if latent.log_density is None:
        assert latent.beyond is not None
        return latent.beyond(eta, s)
    _, nodes = latent.gauss[number - len(latent.trapezoids)]
    return _weighted((special.ndtr((eta - node) / s), weight) for node, weight in _latent_rule(latent, nodes))


def _weighted(terms: Iterable[tuple[Array, float]]) -> Array:
    """Return the weighted mean of terms of shape (n,); the weights are positive and sum to 1."""
    return reduce(np.add, (term * weight for term, weight in terms))


@cache
def _normal_rule(step: float) -> Rule:
    """Return nodes and weights of the trapezoid for N(0, 1)."""
    half = int(np.ceil(REACH / min(step, 0.75)))
    z, weights = normal_nodes(REACH, half)
    return tuple(zip(z.tolist(), weights.tolist(), strict=True))


def normal_nodes(reach: float, half: int) -> tuple[Array, Array]:
    """Return the 2 half + 1 nodes of the trapezoid for N(0, 1) from −reach to reach, and weights that sum to 1."""
    z = np.linspace(-reach, reach, 2 * half + 1)
    weights = np.exp(-np.square(z) / 2)
    return z, weights / weights.sum()


@cache
def _latent_rule(latent: Latent, size: int) -> Rule:
    """Return nodes and weights of the Gauss rule for the latent variable of a link.

    The recurrence of its orthogonal polynomials is found by the Lanczos process on a fine grid, where sums are
    exact integrals to rounding.
    """
    assert latent.log_density is not None
    grid = np.linspace(*latent.support, 3001)
    density = np.exp(latent.log_density(grid))
    basis = [np.sqrt(density / density.sum())]
    diagonal, beside = [], []
    for _ in range(size):
        diagonal.append(float(basis[-1] @ (grid * basis[-1])))
        fresh = grid * basis[-1]
        for _twice in range(2):
            for vector in basis:
                fresh = fresh - (vector @ fresh) * vector
        beside.append(float(np.linalg.norm(fresh)))
        basis.append(fresh / beside[-1])
    nodes, vectors = eigh_tridiagonal(diagonal, beside[:-1])
    weights = np.square(vectors[0])
    return tuple(zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True))
