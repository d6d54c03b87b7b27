"""How a mean is averaged over a normal linear predictor: what a `Link` says of itself, and the formulas behind it.

Given x, the linear predictor of a member of the population is η + √v z with z ~ N(0, 1). Four answers to what
E g⁻¹(η + √v z) is stand here: a closed form with all that follows from it (`Closed`); the distribution function of a
latent variable whose smoothness is known (`Latent`); a trapezoid that is refined until it settles (`Settled`, which
needs to know nothing and is what a new link has); or that there is no average (`Undefined`).

References
----------
Zeger, Liang & Albert (1988), Biometrics 44, 1049-1060.
Owen (1956), Annals of Mathematical Statistics 27, 1075-1090: the bivariate normal probability.
Trefethen & Weideman (2014), SIAM Review 56, 385-458: why the trapezoid converges geometrically.
NIST Digital Library of Mathematical Functions, 7.10 and 7.19: derivatives of w, Voigt functions.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "CAUCHY",
    "EXPONENTIAL",
    "GUMBEL",
    "LOGISTIC",
    "NORMAL",
    "QUADRATIC",
    "REACH",
    "SETTLED",
    "SHIFT",
    "Averaging",
    "Closed",
    "Latent",
    "Rule",
    "Settled",
    "Undefined",
]

type Array = NDArray[np.float64]
type Rule = tuple[tuple[float, float], ...]
"""Nodes and weights; the weights sum to 1."""

REACH = 7.5
"""Where the normal distribution is cut: 6e-14 of it lies beyond."""

TERMS = 28
"""Terms of the series for a Cauchy latent variable: at √v = 1, where it is used first, the last is below 1e-14."""


@dataclass(frozen=True)
class Closed:
    """A link under which the mean over a normal linear predictor has a closed form.

    Parameters
    ----------
    mean
        E g⁻¹(η + N(0, v)) from η and v.
    link
        g of it, which keeps its digits where g of the rounded mean would not.
    slope
        The derivative of the mean along (η′, v′), from η, v, η′ and v′.
    covariance
        Cov of the means of two who share a part of variance v₁ and have parts of variance v₂ of their own, from η,
        v₁ and v₂.
    """

    mean: Callable[[Array, Array], Array]
    link: Callable[[Array, Array], Array]
    slope: Callable[[Array, Array, Array, Array], Array]
    covariance: Callable[[Array, Array, Array], Array]


@dataclass(frozen=True)
class Latent:
    """A link whose inverse is the distribution function of a latent variable L, with what is known of L.

    Parameters
    ----------
    cdf
        g⁻¹, as a fast expression.
    trapezoids
        The bins of √v with a trapezoid over z each: where a bin ends, and the step times √v, which is set by how far
        from the real line g⁻¹ stays bounded.
    step
        The step, in η, of the trapezoid for covariances.
    log_density
        log f_L up to a constant, None where L has no moments.
    support
        Where f_L is more than 1e-30.
    gauss
        The bins of √v above them: where a bin begins, and the size of its Gauss rule for L.
    on_rule
        The trapezoid over z by a shorter way than node by node, from η, √v and the rule; None for none.
    beyond
        From η and √v the mean above the last trapezoid, where L has no moments.
    near_one
        From η and √v, g of the mean where it is near 1, for an L that is not symmetric.
    """

    cdf: Callable[[Array], Array]
    trapezoids: tuple[tuple[float, float], ...]
    step: float
    log_density: Callable[[Array], Array] | None = None
    support: tuple[float, float] = (0.0, 0.0)
    gauss: tuple[tuple[float, int], ...] = ()
    on_rule: Callable[[Array, Array, Rule], Array] | None = None
    beyond: Callable[[Array, Array], Array] | None = None
    near_one: Callable[[Array, Array], Array] | None = None

    @property
    def edges(self) -> list[float]:
        """Where a bin of √v ends and the next begins."""
        return [end for end, _ in self.trapezoids] + [begin for begin, _ in self.gauss[1:]]


@dataclass(frozen=True)
class Settled:
    """A link of which nothing is known but that g⁻¹ is smooth: the trapezoid is refined until it settles."""


@dataclass(frozen=True)
class Undefined:
    """A link under which there is no average.

    Parameters
    ----------
    reason
        Why, in a clause.
    """

    reason: str


SETTLED = Settled()
"""What a link is averaged by that says nothing."""

type Averaging = Closed | Latent | Settled | Undefined


# -- closed forms ----------------------------------------------------------------------------------


def _normal_slope(eta: Array, v: Array, d_eta: Array, d_v: Array) -> Array:
    root = np.sqrt(1 + v)
    u = eta / root
    density = np.exp(-np.square(u) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(density * (d_eta - u * d_v / (2 * root)) / root)


def _normal_covariance(eta: Array, shared: Array, own: Array) -> Array:
    """Return Φ₂(h, h; ρ) − Φ(h)², h = η/√(1 + v), ρ = v₁/(1 + v), by Owen's T: Φ₂ = Φ(h) − 2T(h, √((1−ρ)/(1+ρ)))."""
    total = 1 + shared + own
    h, rho = eta / np.sqrt(total), shared / total
    both = special.ndtr(h) - 2 * special.owens_t(h, np.sqrt((1 - rho) / (1 + rho)))
    return np.asarray(np.where(shared > 0, both - special.ndtr(h) ** 2, 0.0))


SHIFT = Closed(
    mean=lambda eta, v: eta + 0 * v,
    link=lambda eta, v: eta + 0 * v,
    slope=lambda eta, v, d_eta, d_v: d_eta,
    covariance=lambda eta, shared, own: shared.copy(),
)
"""g⁻¹(η) = η."""

EXPONENTIAL = Closed(
    mean=lambda eta, v: np.exp(eta + v / 2),
    link=lambda eta, v: eta + v / 2,
    slope=lambda eta, v, d_eta, d_v: np.exp(eta + v / 2) * (d_eta + d_v / 2),
    covariance=lambda eta, shared, own: np.exp(2 * eta + shared + own) * np.expm1(shared),
)
"""g⁻¹(η) = exp(η): the mean of a lognormal variable."""

QUADRATIC = Closed(
    mean=lambda eta, v: np.square(eta) + v,
    link=lambda eta, v: np.sqrt(np.square(eta) + v),
    slope=lambda eta, v, d_eta, d_v: 2 * eta * d_eta + d_v,
    covariance=lambda eta, shared, own: 2 * shared**2 + 4 * eta**2 * shared,
)
"""g⁻¹(η) = η²."""

NORMAL = Closed(
    mean=lambda eta, v: special.ndtr(eta / np.sqrt(1 + v)),
    link=lambda eta, v: eta / np.sqrt(1 + v),
    slope=_normal_slope,
    covariance=_normal_covariance,
)
"""g⁻¹(η) = Φ(η)."""


# -- latent variables ------------------------------------------------------------------------------


def _logistic_trapezoid(eta: Array, s: Array, rule: Rule) -> Array:
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


LOGISTIC = Latent(
    lambda x: 1 / (1 + np.exp(-x)),
    (
        (0.75, 0.63), (1.0, 0.63), (1.25, 0.66), (1.5, 0.69), (1.75, 0.72), (2.0, 0.73), (2.5, 0.75), (3.0, 0.75),
        (3.5, 0.76), (4.0, 0.77),
    ),
    step=0.5,
    log_density=lambda x: -x - 2 * np.log1p(np.exp(-x)),
    support=(-70, 70),
    gauss=((4.0, 24), (5.0, 16), (6.0, 13), (8.0, 10), (12.0, 8), (20.0, 6)),
    on_rule=_logistic_trapezoid,
)  # fmt: skip
"""L is logistic."""

GUMBEL = Latent(
    lambda x: -np.expm1(-np.exp(x)),
    ((0.6, 0.33), (1.2, 0.33), (1.8, 0.33), (2.4, 0.33)),
    step=0.3,
    log_density=lambda x: x - np.exp(x),
    support=(-70, 4.3),
    gauss=((2.4, 28),),
    near_one=lambda eta, s: np.log(-_log_survival(eta, s)),
)
"""−L has a Gumbel distribution."""

CAUCHY = Latent(
    lambda x: 0.5 + np.arctan(x) / np.pi,
    ((0.5, 0.22), (0.75, 0.22), (1.0, 0.22)),
    step=0.2,
    beyond=lambda eta, s: _cauchy_series(eta / s, 1 / s),
)
"""L is Cauchy, without moments and so without a Gauss rule; there Φ is entire, and a power series in 1/√v converges."""
