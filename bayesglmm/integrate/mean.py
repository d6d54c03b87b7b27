"""Averages over Gaussian random effects: exact to 1e-10, deterministic, one-dimensional.

Given x, the linear predictor of a member of the population is η + √v z with z ~ N(0, 1) and v = Σ zᵀGz
over the blocks that are integrated, so its mean is E g⁻¹(η + √v z) however many blocks there are.
The identity, log, sqrt and probit links have closed forms. Each other link is the distribution
function of a latent variable L, g⁻¹(η) = P(L < η), and the same mean has two forms:

    E g⁻¹(η + √v z)   smooth in z while √v is small       (trapezoid over z)
    E Φ((η − L)/√v)   smooth in L once √v is large        (Gauss rule for L)

Each is used where it is smooth. A Cauchy L has no moments and no Gauss rule; there Φ is entire, and the
second form is a power series in 1/√v that converges everywhere.

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Crouch & Spiegelman (1990), Journal of the American Statistical Association 85, 464-469.
Asmussen, Jensen & Rojas-Nandayapa (2016), Methodology and Computing in Applied Probability 18, 441-458.
Trefethen & Weideman (2014), SIAM Review 56, 385-458: why the trapezoid converges geometrically.
Golub & Welsch (1969), Mathematics of Computation 23, 221-230.
NIST Digital Library of Mathematical Functions, 7.10 and 7.19: derivatives of w, Voigt functions.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, reduce

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.linalg import eigh_tridiagonal

from bayesglmm.errors import OptionError
from bayesglmm.links import Link

__all__ = ["link_of_mean", "mean_over_b"]

type Array = NDArray[np.float64]

CHUNK = 8_192
"""Elements worked on at once: few enough that the temporaries of a core stay in its cache."""

REACH = 7.5
"""Where the normal distribution is cut: 6e-14 of it lies beyond."""

TERMS = 28
"""Terms of the series for a Cauchy latent variable: at √v = 1, where it is used first, the last is below 1e-14."""


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
        For a negative or infinite variance, and for the inverse link, whose average does not exist.

    References
    ----------
    Zeger, Liang & Albert (1988); Crouch & Spiegelman (1990).
    """
    eta, v = np.broadcast_arrays(np.asarray(eta, dtype=np.float64), np.asarray(v, dtype=np.float64))
    if not (np.isfinite(v) & (v >= 0)).all():
        raise OptionError("v is a variance: finite and not negative; check the covariance of the random effects")
    if link.name in _CLOSED:
        with np.errstate(over="ignore"):
            return np.asarray(_CLOSED[link.name](eta, v))
    if link.name not in _LATENT:
        raise OptionError(
            f"the mean under the {link.name} link has no average over Gaussian random effects: 1/η is not integrable "
            "at 0; the frames that are defined are 'typical', 'group' and 'new_group'"
        )
    return _in_chunks(link, eta, v)


def link_of_mean(link: Link, eta: ArrayLike, v: ArrayLike) -> Array:
    """Return g(E g⁻¹(η + N(0, v))), the linear predictor of the averaged mean, elementwise; link scale.

    Both tails keep their digits, where g of a probability rounded to 1 would be infinite.

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
    if link.name in _CLOSED_LINK and (np.isfinite(v) & (v >= 0)).all():
        return np.asarray(_CLOSED_LINK[link.name](eta, v))
    if link.name == "cloglog":
        out = _cloglog_of_mean(link, eta.reshape(-1), v.reshape(-1)).reshape(eta.shape)
    else:
        out = np.asarray(-np.sign(eta) * link.link(mean_over_b(link, -np.abs(eta), v)))
    return np.asarray(np.where(v == 0, eta, out))


_CLOSED_LINK: dict[str, Callable[[Array, Array], Array]] = {
    "identity": lambda eta, v: eta + 0 * v,
    "log": lambda eta, v: eta + v / 2,
    "sqrt": lambda eta, v: np.sqrt(np.square(eta) + v),
    "probit": lambda eta, v: eta / np.sqrt(1 + v),
}


def _cloglog_of_mean(link: Link, eta: Array, v: Array) -> Array:
    """Return log(−log(1 − μ)) for shape (n,), from 1 − μ by itself where μ is near 1."""
    mean = mean_over_b(link, eta, v)
    out, high = link.link(np.where(mean > 0.99, 0.5, mean)), np.flatnonzero(mean > 0.99)
    for start in range(0, len(high), CHUNK // 8):
        here = high[start : start + CHUNK // 8]
        out[here] = np.log(-_log_survival(eta[here], np.sqrt(v[here])))
    return out


def _log_survival(eta: Array, s: Array) -> Array:
    """Return log E exp(−exp(η + s z)) for shape (n,), where it is far below 0; s = 0 is allowed.

    The trapezoid is centred where the integrand is largest, z = −w/s with w = W(s² e^η), Lambert's function.
    To the right the integrand falls as its curvature there says, 1 + w; to the left no slower than
    exp(−w |z|/s), nor than a normal density.
    """
    s = np.maximum(s, 1e-8)
    log_argument = 2 * np.log(s) + eta
    far = np.maximum(log_argument, 700.0)
    w = np.asarray(special.lambertw(np.exp(np.minimum(log_argument, 700.0))).real)
    w = np.where(log_argument > 700.0, far - np.log(far), w)
    right = 14 / np.sqrt(1 + w)
    left = np.minimum(9.0, np.maximum(right, 40 * s / w + 2 / s))
    steps = 600
    z = -left[:, None] + (left + right)[:, None] * np.linspace(0, 1, steps + 1)
    slope, curve = (w / s)[:, None], s[:, None]
    with np.errstate(over="ignore"):
        exponent = -slope / curve * (np.expm1(curve * z) - curve * z) - z**2 / 2
    total = np.exp(exponent).sum(axis=1) * (left + right) / steps / np.sqrt(2 * np.pi)
    return np.asarray(np.log(total) - w / s**2 - (w / s) ** 2 / 2)


_CLOSED: dict[str, Callable[[Array, Array], Array]] = {
    "identity": lambda eta, v: eta + 0 * v,
    "log": lambda eta, v: np.exp(eta + v / 2),
    "sqrt": lambda eta, v: np.square(eta) + v,
    "probit": lambda eta, v: special.ndtr(eta / np.sqrt(1 + v)),
}


@dataclass(frozen=True)
class _Latent:
    """What is known of the latent variable of a link.

    Parameters
    ----------
    cdf
        g⁻¹, as a fast expression.
    trapezoids
        The bins of √v with a trapezoid over z each: where a bin ends, and the step times √v, which is set by how far
        from the real line g⁻¹ stays bounded.
    log_density
        log f_L up to a constant, None where L has no moments.
    support
        Where f_L is more than 1e-30.
    gauss
        The bins of √v above them: where a bin begins, and the size of its Gauss rule for L.
    """

    cdf: Callable[[Array], Array]
    trapezoids: tuple[tuple[float, float], ...]
    log_density: Callable[[Array], Array] | None = None
    support: tuple[float, float] = (0.0, 0.0)
    gauss: tuple[tuple[float, int], ...] = ()

    @property
    def edges(self) -> list[float]:
        """Where a bin of √v ends and the next begins."""
        return [end for end, _ in self.trapezoids] + [begin for begin, _ in self.gauss[1:]]


_LATENT = {
    "logit": _Latent(
        lambda x: 1 / (1 + np.exp(-x)),
        (
            (0.75, 0.63), (1.0, 0.63), (1.25, 0.66), (1.5, 0.69), (1.75, 0.72), (2.0, 0.73), (2.5, 0.75), (3.0, 0.75),
            (3.5, 0.76), (4.0, 0.77),
        ),
        lambda x: -x - 2 * np.log1p(np.exp(-x)),
        (-70, 70),
        ((4.0, 24), (5.0, 16), (6.0, 13), (8.0, 10), (12.0, 8), (20.0, 6)),
    ),
    "cloglog": _Latent(
        lambda x: -np.expm1(-np.exp(x)),
        ((0.6, 0.33), (1.2, 0.33), (1.8, 0.33), (2.4, 0.33)),
        lambda x: x - np.exp(x),
        (-70, 4.3),
        ((2.4, 28),),
    ),
    "cauchit": _Latent(lambda x: 0.5 + np.arctan(x) / np.pi, ((0.5, 0.22), (0.75, 0.22), (1.0, 0.22))),
}  # fmt: skip


def _in_chunks(link: Link, eta: Array, v: Array) -> Array:
    """Return the mean for links without a closed form, chunk by chunk, on every core."""
    flat_eta, flat_v, out = eta.reshape(-1), v.reshape(-1), np.empty(eta.size)

    def work(start: int) -> None:
        part = slice(start, start + CHUNK)
        with np.errstate(over="ignore", under="ignore"):
            mean = _chunk(link, flat_eta[part], np.sqrt(flat_v[part]))
        out[part] = np.clip(mean, 0.0, 1.0)  # a sum of weights may round to one bit above 1

    starts = range(0, eta.size, CHUNK)
    if len(starts) > 1:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(work, starts))
    elif starts:
        work(0)
    return out.reshape(eta.shape)


def _chunk(link: Link, eta: Array, s: Array) -> Array:
    """Return the mean, shape (n,), for linear predictors (n,) with standard deviations (n,)."""
    latent = _LATENT[link.name]
    last = len(latent.trapezoids)
    which = np.searchsorted(latent.edges, s)
    if latent.log_density is None:
        # |η|/√v this large: the kink of g⁻¹ lies where φ(z) is 0, and the trapezoid over z is exact again.
        which[(which == last) & (np.abs(eta) > REACH * s)] = last - 1
    which[s == 0] = -1
    out = np.empty_like(eta)
    for number in np.unique(which).tolist():
        here = np.flatnonzero(which == number)
        out[here] = link.inverse(eta[here]) if number < 0 else _one_bin(link.name, number, eta[here], s[here])
    return out


def _one_bin(name: str, number: int, eta: Array, s: Array) -> Array:
    """Return the mean for √v > 0 in one bin: the trapezoid over z, or the second form above the last of these."""
    latent = _LATENT[name]
    if number < len(latent.trapezoids):
        end, step = latent.trapezoids[number]
        rule = _normal_rule(step / end)
        if name == "logit":
            return _logistic_trapezoid(eta, s, rule)
        return _weighted((latent.cdf(eta + s * z), weight) for z, weight in rule)
    if latent.log_density is None:
        return _cauchy_series(eta / s, 1 / s)
    _, nodes = latent.gauss[number - len(latent.trapezoids)]
    return _weighted((special.ndtr((eta - node) / s), weight) for node, weight in _latent_rule(name, nodes))


def _logistic_trapezoid(eta: Array, s: Array, rule: tuple[tuple[float, float], ...]) -> Array:
    """Return the trapezoid for the logistic function: at nodes a step apart its exponentials are a geometric series."""
    middle = len(rule) // 2
    below = np.exp(-eta)
    above, up, down = below.copy(), np.exp(-s * rule[middle + 1][0]), np.exp(s * rule[middle + 1][0])
    total = rule[middle][1] / (1 + below)
    for _, weight in rule[middle + 1 :]:
        above *= up
        below *= down
        total += weight / (1 + above)
        total += weight / (1 + below)
    return np.asarray(total)


def _weighted(terms: Iterable[tuple[Array, float]]) -> Array:
    """Return the weighted mean of terms of shape (n,); the weights are positive and sum to 1."""
    return reduce(np.add, (term * weight for term, weight in terms))


@cache
def _normal_rule(step: float) -> tuple[tuple[float, float], ...]:
    """Return nodes and weights of the trapezoid for N(0, 1)."""
    half = int(np.ceil(REACH / min(step, 0.75)))
    z = np.linspace(-REACH, REACH, 2 * half + 1)
    weights = np.exp(-np.square(z) / 2)
    return tuple(zip(z.tolist(), (weights / weights.sum()).tolist(), strict=True))


@cache
def _latent_rule(name: str, size: int) -> tuple[tuple[float, float], ...]:
    """Return nodes and weights of the Gauss rule for the latent variable of a link.

    The recurrence of its orthogonal polynomials is found by the Lanczos process on a fine grid, where sums are
    exact integrals to rounding.
    """
    latent = _LATENT[name]
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


def _cauchy_series(x: Array, y: Array) -> Array:
    """Return E Φ(x − y C) for a standard Cauchy C, |x| ≤ 7.5 and 0 < y ≤ 1, all of shape (n,).

    It is 1/2 + Im K(y + ix)/π, where K′ = M is the Mills ratio M(u) = √(π/2) erfcx(u/√2), an entire function;
    K is expanded in y about ix. With the n-th derivative of M at ix written iⁿ(aₙ + i bₙ), M″ = u M′ + M
    and its derivatives give both sequences the recurrence of the Hermite polynomials, cₙ₊₁ = x cₙ − n cₙ₋₁.
    """
    a, b = np.sqrt(np.pi / 2) * np.exp(-np.square(x) / 2), -np.sqrt(2) * special.dawsn(x / np.sqrt(2))
    a_next, b_next = x * a, x * b + 1
    total, power = np.zeros_like(x), y
    for n in range(TERMS):
        imaginary = b if n % 2 == 0 else a
        total += power * imaginary if n % 4 < 2 else -power * imaginary
        power = power * y / (n + 2)
        a, a_next = a_next, x * a_next - (n + 1) * a
        b, b_next = b_next, x * b_next - (n + 1) * b
    total += np.pi * special.ndtr(x)
    return total / np.pi
