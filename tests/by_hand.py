"""The package by other means, one row a family, a link and a prior: scipy, mpmath and the textbook.

A new family, link or prior has its row here and in no other table; `docs/extending.md` says what a row holds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import mpmath
import numpy as np
import pandas as pd
from extremes import SHAPES, SIZES, Case, counts, positives, shares, trials, whole_line, with_parameter
from mpmath import loggamma, mpf
from scipy import stats

from bayesglmm.specify.families import FAMILIES
from bayesglmm.specify.priors import Prior, parse_prior

type Array = np.ndarray[Any, Any]

N = 30

UNIT = ("logit", "probit", "cloglog", "loglog", "cauchit")

# -- links -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class LinkRow:
    """A link as the textbook has it, in mpmath: from η the mean, or of a probability log μ and log(1 − μ)."""

    mean: Callable[[mpf], mpf] | None = None
    tails: Callable[[mpf], tuple[mpf, mpf]] | None = None

    def value(self, eta: mpf) -> Any:
        """Return what the log densities below are written in: μ, or log μ and log(1 − μ)."""
        return self.mean(eta) if self.mean is not None else self.tails(eta)

    def mu(self, eta: mpf) -> mpf:
        return self.mean(eta) if self.mean is not None else mpmath.exp(self.tails(eta)[0])

    def inverse(self, eta: Array) -> Array:
        """Return g⁻¹(η) of an array in double precision."""
        with mpmath.workdps(40):
            return np.array([float(self.mu(mpf(float(value)))) for value in np.ravel(eta)]).reshape(np.shape(eta))


def _less(less: mpf, eta: mpf) -> tuple[mpf, mpf]:
    """Return log μ and log(1 − μ) of a symmetric link from the smaller of the two probabilities."""
    both = mpmath.log(less), mpmath.log1p(-less)
    return both if eta < 0 else (both[1], both[0])


def _gumbel(eta: mpf) -> tuple[mpf, mpf]:
    rate = mpmath.exp(eta)
    return (mpmath.log(-mpmath.expm1(-rate)) if rate < 100 else mpmath.log1p(-mpmath.exp(-rate))), -rate


LINK_ROWS: dict[str, LinkRow] = {
    "identity": LinkRow(lambda eta: eta),
    "log": LinkRow(mpmath.exp),
    "sqrt": LinkRow(lambda eta: eta**2),
    "inverse": LinkRow(lambda eta: 1 / eta if eta else mpmath.inf),
    "inverse_squared": LinkRow(lambda eta: 1 / mpmath.sqrt(eta) if eta else mpmath.inf),
    "logit": LinkRow(tails=lambda eta: (-mpmath.log1p(mpmath.exp(-eta)), -mpmath.log1p(mpmath.exp(eta)))),
    "probit": LinkRow(tails=lambda eta: _less(mpmath.erfc(abs(eta) / mpmath.sqrt(2)) / 2, eta)),
    "cloglog": LinkRow(tails=_gumbel),
    "loglog": LinkRow(tails=lambda eta: _gumbel(-eta)[::-1]),
    "cauchit": LinkRow(tails=lambda eta: _less(mpmath.atan2(1, abs(eta)) / mpmath.pi, eta)),
}

# -- families --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FamilyRow:
    """A family as the textbook has it.

    Parameters
    ----------
    links
        Its links, in order.
    distribution
        (μ, trials, **parameters) → scipy's distribution of an outcome.
    exact
        (y, trials, `LinkRow.value`, *parameters) → the log density in mpmath.
    outcomes
        (generator, n) → n outcomes.
    extremes
        Cases that the compiled density must keep ten digits at.
    refused
        Outcomes off the support, each with a part of the reason.
    parameters
        A value of each parameter, at which an outcome has four moments.
    trials
        The trials of a row, None for a family without.
    """

    links: tuple[str, ...]
    distribution: Callable[..., Any]
    exact: Callable[..., mpf]
    outcomes: Callable[[np.random.Generator, int], Array]
    extremes: Callable[[], Iterable[Case]]
    refused: tuple[tuple[float, str], ...] = ()
    parameters: Mapping[str, float] = field(default_factory=dict)
    trials: float | None = None

    def logpdf(self, y: Array, mu: Array, parameters: Mapping[str, float], n: Array) -> Array:
        known = self.distribution(mu, n, **parameters)
        return (known.logpdf if hasattr(known.dist, "pdf") else known.logpmf)(y)


def _binomial(y: mpf, n: mpf, tails: tuple[mpf, mpf]) -> mpf:
    value = loggamma(n + 1) - loggamma(y + 1) - loggamma(n - y + 1)
    return value + (y * tails[0] if y else 0) + ((n - y) * tails[1] if n > y else 0)


def _negative_binomial(y: mpf, mu: mpf, size: mpf) -> mpf:
    value = loggamma(y + size) - loggamma(size) - loggamma(y + 1) - size * mpmath.log1p(mu / size)
    return value - (y * mpmath.log1p(size / mu) if y else 0)


def _student(y: mpf, mu: mpf, sigma: mpf, nu: mpf) -> mpf:
    value = loggamma((nu + 1) / 2) - loggamma(nu / 2) - mpmath.log(nu * mpmath.pi) / 2 - mpmath.log(sigma)
    return value - (nu + 1) / 2 * mpmath.log1p(((y - mu) / sigma) ** 2 / nu)


def _beta(y: mpf, tails: tuple[mpf, mpf], phi: mpf) -> mpf:
    a, b = phi * mpmath.exp(tails[0]), phi * mpmath.exp(tails[1])
    return loggamma(phi) - loggamma(a) - loggamma(b) + (a - 1) * mpmath.log(y) + (b - 1) * mpmath.log1p(-y)


_COUNTS = ((4.5, "whole numbers"), (-1.0, "not negative"), (2.0**54, "up to 2\\^53"))
_POSITIVE = ((0.0, "above zero"), (-2.0, "above zero"))

FAMILY_ROWS: dict[str, FamilyRow] = {
    "gaussian": FamilyRow(
        ("identity", "log"),
        lambda mu, n, sigma: stats.norm(mu, sigma),
        lambda y, n, mu, sigma: -(((y - mu) / sigma) ** 2) / 2 - mpmath.log(sigma) - mpmath.log(2 * mpmath.pi) / 2,
        lambda rng, n: rng.normal(1, 2, n),
        lambda: whole_line(("identity", "log")),
        parameters={"sigma": 0.7},
    ),
    "student": FamilyRow(
        ("identity",),
        lambda mu, n, sigma, nu: stats.t(nu, mu, sigma),
        lambda y, n, mu, sigma, nu: _student(y, mu, sigma, nu),
        lambda rng, n: rng.standard_t(3, n),
        lambda: with_parameter(whole_line(("identity",)), SIZES),
        parameters={"sigma": 1.3, "nu": 12.0},
    ),
    "bernoulli": FamilyRow(
        UNIT,
        lambda mu, n: stats.bernoulli(mu),
        lambda y, n, tails: _binomial(y, mpf(1), tails),
        lambda rng, n: rng.integers(0, 2, n),
        lambda: (case for case in trials(UNIT) if case[2] == 1),
        ((2.0, "0 or 1"), (0.5, "0 or 1"), (-1.0, "0 or 1")),
    ),
    "binomial": FamilyRow(
        UNIT,
        lambda mu, n: stats.binom(n, mu),
        _binomial,
        lambda rng, n: rng.integers(0, 5, n),
        lambda: trials(UNIT),
        ((7.0, "more successes than trials"), (1.5, "whole numbers"), (-1.0, "not negative")),
        trials=6.0,
    ),
    "poisson": FamilyRow(
        ("log", "sqrt"),
        lambda mu, n: stats.poisson(mu),
        lambda y, n, mu: (y * mpmath.log(mu) if y else 0) - mu - loggamma(y + 1),
        lambda rng, n: rng.poisson(3, n),
        counts,
        _COUNTS,
    ),
    "negative_binomial": FamilyRow(
        ("log", "sqrt"),
        lambda mu, n, phi: stats.nbinom(phi, phi / (phi + mu)),
        lambda y, n, mu, phi: _negative_binomial(y, mu, phi),
        lambda rng, n: rng.poisson(3, n),
        lambda: with_parameter(counts(), SIZES),
        _COUNTS,
        {"phi": 1.7},
    ),
    "negative_binomial1": FamilyRow(
        ("log", "sqrt"),
        lambda mu, n, phi: stats.nbinom(mu / phi, 1 / (1 + phi)),
        lambda y, n, mu, phi: _negative_binomial(y, mu, mu / phi),
        lambda rng, n: rng.poisson(3, n),
        lambda: with_parameter(counts(), SIZES),
        _COUNTS,
        {"phi": 1.7},
    ),
    "gamma": FamilyRow(
        ("log", "inverse"),
        lambda mu, n, shape: stats.gamma(shape, scale=mu / shape),
        lambda y, n, mu, k: k * mpmath.log(k / mu) - loggamma(k) + (k - 1) * mpmath.log(y) - k * y / mu,
        lambda rng, n: rng.gamma(2, 1, n),
        lambda: with_parameter(positives(("log", "inverse")), SHAPES),
        _POSITIVE,
        {"shape": 2.3},
    ),
    "inverse_gaussian": FamilyRow(
        ("log", "inverse_squared", "inverse"),
        lambda mu, n, shape: stats.invgauss(mu / shape, scale=shape),
        lambda y, n, mu, k: mpmath.log(k / (2 * mpmath.pi * y**3)) / 2 - k * (y - mu) ** 2 / (2 * mu**2 * y),
        lambda rng, n: rng.wald(2, 3, n),
        lambda: with_parameter(positives(("log", "inverse_squared", "inverse")), SHAPES),
        _POSITIVE,
        {"shape": 2.3},
    ),
    "beta": FamilyRow(
        ("logit",),
        lambda mu, n, phi: stats.beta(mu * phi, (1 - mu) * phi),
        lambda y, n, tails, phi: _beta(y, tails, phi),
        lambda rng, n: rng.beta(2, 3, n),
        lambda: with_parameter(shares(), SHAPES),
        ((0.0, "strictly between 0 and 1"), (1.0, "strictly between 0 and 1"), (1.2, "strictly between")),
        {"phi": 6.0},
    ),
}

FAMILY_LINKS = [(name, link) for name in FAMILY_ROWS for link in FAMILIES[name].links]
"""Every family with every link of it."""

# -- priors ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Above:
    """A distribution of scipy, conditional on a value above a bound."""

    whole: Any
    lower: float

    def logpdf(self, x: Any) -> Any:
        return np.where(np.asarray(x) < self.lower, -np.inf, self.whole.logpdf(x) - self.whole.logsf(self.lower))

    def cdf(self, x: Any) -> Any:
        return 1 - self.whole.sf(x) / self.whole.sf(self.lower)

    def ppf(self, q: Any) -> Any:
        return self.whole.isf((1 - np.asarray(q)) * self.whole.sf(self.lower))

    def support(self) -> tuple[float, float]:
        return self.lower, self.whole.support()[1]


@dataclass(frozen=True)
class PriorRow:
    """A prior as text, and from its numbers scipy's distribution; None for one that is improper or of a matrix."""

    text: str
    distribution: Callable[..., Any] | None = None

    @cached_property
    def prior(self) -> Prior:
        return parse_prior(self.text)

    @property
    def known(self) -> Any:
        """Scipy's distribution at the numbers of the text."""
        return self.distribution(*self.prior.numbers())


PRIOR_ROWS: dict[str, PriorRow] = {
    row.text.partition("(")[0]: row
    for row in (
        PriorRow("normal(-1, 2.5)", stats.norm),
        PriorRow("student_t(3, 1, 2.5)", stats.t),
        PriorRow("cauchy(1, 2)", stats.cauchy),
        PriorRow("laplace(-1, 0.5)", stats.laplace),
        PriorRow("logistic(-1, 0.5)", stats.logistic),
        PriorRow("uniform(-2, 6)", lambda lower, upper: stats.uniform(lower, upper - lower)),
        PriorRow("exponential(0.5)", lambda rate: stats.expon(scale=1 / rate)),
        PriorRow("gamma(2, 0.1)", lambda shape, rate: stats.gamma(shape, scale=1 / rate)),
        PriorRow(
            "truncated_gamma(2, 3, 0.05)",
            lambda shape, rate, lower: Above(stats.gamma(shape, scale=1 / rate), lower),
        ),
        PriorRow("inv_gamma(0.4, 0.3)", lambda shape, scale: stats.invgamma(shape, scale=scale)),
        PriorRow("lognormal(1, 1.5)", lambda mu, sigma: stats.lognorm(sigma, scale=np.exp(mu))),
        PriorRow("half_normal(2)", lambda sigma: stats.halfnorm(scale=sigma)),
        PriorRow("half_student_t(3, 0, 2.5)", lambda nu, mu, sigma: Above(stats.t(nu, mu, sigma), 0.0)),
        PriorRow("half_cauchy(2)", lambda scale: stats.halfcauchy(scale=scale)),
        PriorRow("beta(2, 3)", stats.beta),
        PriorRow("flat()"),
        PriorRow("lkj(2)"),
    )
}

# -- data ------------------------------------------------------------------------------------------


def table(family: str = "gaussian") -> pd.DataFrame:
    rng = np.random.default_rng(20261121)
    columns = {name: rng.normal(shift, 1, N) for name, shift in (("x", 2), ("w", -1), ("v", 0.5), ("o", 0))}
    groups = {"g": np.arange(N) % 5, "h": rng.permutation(N) % 4}
    return pd.DataFrame({**columns, **groups, "n": 7, "y": FAMILY_ROWS[family].outcomes(rng, N)})
