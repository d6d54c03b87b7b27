"""Rows of the test tables: families, links and priors by scipy, structures of random effects by numpy, and data."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

type Array = np.ndarray[Any, Any]

N = 30


@dataclass(frozen=True)
class Reference:
    """A family by scipy: responses in its support, values of its parameters, log density of y given μ and trials."""

    y: Callable[[np.random.Generator], Array]
    logpdf: Callable[[Array, Array, Mapping[str, float], Array], Array]
    parameters: Mapping[str, float]


def counts(rng: np.random.Generator) -> Array:
    return rng.poisson(3, N)


REFERENCES = {
    "bernoulli": Reference(lambda rng: rng.integers(0, 2, N), lambda y, mu, p, n: stats.bernoulli.logpmf(y, mu), {}),
    "binomial": Reference(lambda rng: rng.integers(0, 7, N), lambda y, mu, p, n: stats.binom.logpmf(y, n, mu), {}),
    "poisson": Reference(counts, lambda y, mu, p, n: stats.poisson.logpmf(y, mu), {}),
    "negative_binomial": Reference(
        counts,
        lambda y, mu, p, n: stats.nbinom.logpmf(y, p["phi"], p["phi"] / (p["phi"] + mu)),
        {"phi": 1.7},
    ),
    "negative_binomial1": Reference(
        counts,
        lambda y, mu, p, n: stats.nbinom.logpmf(y, mu / p["phi"], 1 / (1 + p["phi"])),
        {"phi": 1.7},
    ),
    "gaussian": Reference(
        lambda rng: rng.normal(size=N), lambda y, mu, p, n: stats.norm.logpdf(y, mu, p["sigma"]), {"sigma": 0.7}
    ),
    "student": Reference(
        lambda rng: rng.standard_t(3, N),
        lambda y, mu, p, n: stats.t.logpdf(y, p["nu"], mu, p["sigma"]),
        {"sigma": 0.7, "nu": 4.5},
    ),
    "gamma": Reference(
        lambda rng: rng.gamma(2, 1, N),
        lambda y, mu, p, n: stats.gamma.logpdf(y, p["shape"], scale=mu / p["shape"]),
        {"shape": 2.3},
    ),
    "beta": Reference(
        lambda rng: rng.beta(2, 3, N),
        lambda y, mu, p, n: stats.beta.logpdf(y, mu * p["phi"], (1 - mu) * p["phi"]),
        {"phi": 6.0},
    ),
}
INVERSES: dict[str, Callable[[Array], Array]] = {
    "identity": lambda eta: eta,
    "log": np.exp,
    "sqrt": np.square,
    "inverse": np.reciprocal,
    "logit": special.expit,
    "probit": special.ndtr,
    "cloglog": lambda eta: 1 - np.exp(-np.exp(eta)),
    "cauchit": lambda eta: 0.5 + np.arctan(eta) / np.pi,
}
PRIORS: dict[str, Callable[..., Array]] = {
    "normal": stats.norm.logpdf,
    "student_t": stats.t.logpdf,
    "cauchy": stats.cauchy.logpdf,
    "laplace": stats.laplace.logpdf,
    "uniform": lambda x, lower, upper: stats.uniform.logpdf(x, lower, upper - lower),
    "exponential": lambda x, rate: stats.expon.logpdf(x, scale=1 / rate),
    "gamma": lambda x, shape, rate: stats.gamma.logpdf(x, shape, scale=1 / rate),
    "truncated_gamma": lambda x, shape, rate, lower: (
        stats.gamma.logpdf(x, shape, scale=1 / rate) - stats.gamma.logsf(lower, shape, scale=1 / rate)
    ),
    "inv_gamma": lambda x, shape, scale: stats.invgamma.logpdf(x, shape, scale=scale),
    "lognormal": lambda x, mu, sigma: stats.lognorm.logpdf(x, sigma, scale=np.exp(mu)),
    "half_normal": lambda x, sigma: stats.halfnorm.logpdf(x, scale=sigma),
    "half_student_t": lambda x, nu, mu, sigma: np.log(2) + stats.t.logpdf(x, nu, mu, sigma),
    "half_cauchy": lambda x, scale: stats.halfcauchy.logpdf(x, scale=scale),
    "beta": stats.beta.logpdf,
    "flat": lambda x: np.zeros_like(x),
}


def table(family: str = "gaussian") -> pd.DataFrame:
    rng = np.random.default_rng(20261121)
    columns = {name: rng.normal(shift, 1, N) for name, shift in (("x", 2), ("w", -1), ("v", 0.5), ("o", 0))}
    groups = {"g": np.arange(N) % 5, "h": rng.permutation(N) % 4}
    return pd.DataFrame({**columns, **groups, "n": 7, "y": REFERENCES[family].y(rng)})


def nested(d: pd.DataFrame) -> Array:
    """Return the index of the combination of g and h observed in each row, in the order of g, then h."""
    return np.unique(np.column_stack([d.g, d.h]), axis=0, return_inverse=True)[1].reshape(-1)


def mixed(d: pd.DataFrame, b: Array, *columns: str) -> Array:
    """Return Σ_k z_k b_k over an intercept and columns for b of the row's group, shape (n, k)."""
    return b[:, 0] + sum(d[name].to_numpy() * b[:, k] for k, name in enumerate(columns, 1))


@dataclass(frozen=True)
class Structure:
    """The right-hand side of a formula, and the part of η that its blocks make."""

    rhs: str
    blocks: Callable[[pd.DataFrame, Mapping[str, Array]], Array | float] = lambda d, b: 0.0


STRUCTURES = {
    "no block": Structure("x + w"),
    "intercept alone": Structure("1"),
    "no intercept": Structure("0 + x + w + (1 | g)", lambda d, b: b["g"][d.g, 0]),
    "nothing but a block": Structure("0 + (1 | g)", lambda d, b: b["g"][d.g, 0]),
    "offset": Structure("x + offset(o) + (1 | g)", lambda d, b: d.o + b["g"][d.g, 0]),
    "intercept block": Structure("x + (1 | g)", lambda d, b: b["g"][d.g, 0]),
    "slope block": Structure("x + (0 + x | g)", lambda d, b: d.x * b["g"][d.g, 0]),
    "correlated 2": Structure("x + (1 + x | g)", lambda d, b: mixed(d, b["g"][d.g], "x")),
    "correlated 3": Structure("x + (1 + x + w | g)", lambda d, b: mixed(d, b["g"][d.g], "x", "w")),
    "correlated 4": Structure("x + (1 + x + w + v | g)", lambda d, b: mixed(d, b["g"][d.g], "x", "w", "v")),
    "diagonal": Structure("x + (1 + x + w || g)", lambda d, b: mixed(d, b["g"][d.g], "x", "w")),
    "two bars": Structure("x + (1 | g) + (0 + x | g)", lambda d, b: b["g"][d.g, 0] + d.x * b["g_2"][d.g, 0]),
    "crossed": Structure(
        "x + (1 + x | g) + (1 + w | h)", lambda d, b: mixed(d, b["g"][d.g], "x") + mixed(d, b["h"][d.h], "w")
    ),
    "nested": Structure("x + (1 | g/h)", lambda d, b: b["g"][d.g, 0] + b["g:h"][nested(d), 0]),
}
