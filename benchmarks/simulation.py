"""Data sets with their truth: parameters drawn from a model's priors, responses given them, and what is ranked.

The truth is drawn by this file and not by the package: the LKJ prior by the onion method, where the package has
partial correlations.

References
----------
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

import bayesglmm as bg
from bayesglmm.specify.design import BlockDesign
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import HalfNormal, LogNormal, Normal, Prior
from bayesglmm.specify.variables import pair_names

__all__ = ["SETTINGS", "Setting", "Values", "built", "forward", "names", "onion", "quantities", "simulate", "truth"]

type Array = NDArray[np.float64]
type Values = Mapping[str, Array]
"""Values by the names of the posterior's variables, any number of leading dimensions."""


@dataclass(frozen=True)
class Setting:
    """A design with its model: what data are simulated for.

    Parameters
    ----------
    title
        What it is, for figures.
    formula, family, priors, link
        As in `bayesglmm.glmm`; every prior is given, so that none depends on the data.
    table
        Makes the predictors, with a placeholder for the response `y`.
    """

    title: str
    formula: str
    family: str
    priors: Mapping[str, str]
    table: Callable[[], pd.DataFrame]
    link: str | None = None

    def model(self) -> Model:
        """Build the model on the placeholder."""
        return bg.glmm(self.formula, self.table(), self.family, link=self.link, priors=dict(self.priors))


def seizure_like(groups: int = 30) -> pd.DataFrame:
    """Make a trial with a long baseline period and four short ones of each of several patients."""
    ids, time_ = np.repeat(np.arange(1, groups + 1), 5), np.tile([0, 1, 1, 1, 1], groups)
    weeks = np.where(time_ == 0, 8, 2)
    return pd.DataFrame({"id": ids, "trt": ids % 2, "time": time_, "weeks": weeks, "y": np.arange(len(ids)) % 2})


def toenail_like(groups: int = 60) -> pd.DataFrame:
    """Make a trial with six visits in a year of each of many patients."""
    ids, month = np.repeat(np.arange(1, groups + 1), 6), np.tile([0, 1, 2, 3, 6, 12], groups)
    return pd.DataFrame({"id": ids, "treatment": ids % 2, "month": month, "y": np.arange(len(ids)) % 2})


def groups_like(groups: int, rows: int, placeholder: str = "count") -> pd.DataFrame:
    """Make groups of so many rows, with two predictors; `h` gathers each three groups, `a` crosses them."""
    rng, g = np.random.default_rng(7), np.repeat(np.arange(groups), rows)
    y = {"count": np.arange(g.size) % 2, "positive": 1.0 + np.arange(g.size) % 2, "share": 0.25 + g % 2 / 2}
    columns = {"g": g, "h": g // 3, "a": np.tile(np.arange(rows), groups), "y": y[placeholder]}
    return pd.DataFrame({"x": rng.normal(size=g.size).round(2), "w": rng.normal(size=g.size).round(2), **columns})


_UNIT = {"intercept": "normal(0, 1)", "slopes": "normal(0, 1)", "sd": "half_normal(1)"}
_MONTHS = {"month": "normal(0, 0.3)", "month:treatment": "normal(0, 0.3)", "sd": "half_normal(2)"}

SETTINGS = {
    "poisson_1": Setting(
        "Poisson (1 | id)", "y ~ trt*time + offset(log(weeks)) + (1 | id)", "poisson", _UNIT, seizure_like
    ),
    "poisson_2": Setting(
        "Poisson (1 + time | id)",
        "y ~ trt*time + offset(log(weeks)) + (1 + time | id)",
        "poisson",
        {**_UNIT, "correlation": "lkj(2)"},
        seizure_like,
    ),
    "bernoulli_1": Setting(
        "Bernoulli (1 | id)", "y ~ month*treatment + (1 | id)", "bernoulli", {**_UNIT, **_MONTHS}, toenail_like
    ),
    "bernoulli_2": Setting(
        "Bernoulli (1 + month | id)",
        "y ~ month*treatment + (1 + month | id)",
        "bernoulli",
        {**_UNIT, **_MONTHS, 'sd["id"]["month"]': "half_normal(0.3)", "correlation": "lkj(2)"},
        toenail_like,
    ),
    "nested": Setting(
        "Gaussian (1 | h/g)",
        "y ~ x + (1 | h) + (1 | g)",
        "gaussian",
        {**_UNIT, "sigma": "half_normal(1)"},
        lambda: groups_like(18, 3),
    ),
    "crossed": Setting(
        "Poisson (1 | a) + (1 | g)", "y ~ x + (1 | a) + (1 | g)", "poisson", _UNIT, lambda: groups_like(14, 10)
    ),
    "three_effects": Setting(
        "Gaussian (1 + x + w | g)",
        "y ~ x + w + (1 + x + w | g)",
        "gaussian",
        {**_UNIT, "correlation": "lkj(2)", "sigma": "half_normal(1)"},
        lambda: groups_like(12, 8),
    ),
    "five_groups": Setting(
        "Poisson, five groups (1 + x | g)",
        "y ~ x + (1 + x | g)",
        "poisson",
        {**_UNIT, "correlation": "lkj(2)"},
        lambda: groups_like(5, 12),
    ),
    "gamma": Setting(
        "Gamma (1 | g)",
        "y ~ x + (1 | g)",
        "gamma",
        {**_UNIT, "shape": "lognormal(1, 0.5)"},
        lambda: groups_like(20, 6, "positive"),
        "log",
    ),
    "beta": Setting(
        "Beta (1 | g)",
        "y ~ x + (1 | g)",
        "beta",
        {
            "intercept": "normal(0, 0.5)",
            "slopes": "normal(0, 0.5)",
            "sd": "half_normal(0.5)",
            "phi": "lognormal(3, 0.5)",
        },
        lambda: groups_like(20, 6, "share"),
    ),
    "negative_binomial": Setting(
        "Negative binomial (1 | g)",
        "y ~ x + (1 | g)",
        "negative_binomial",
        {**_UNIT, "phi": "lognormal(1, 0.7)"},
        lambda: groups_like(20, 8),
    ),
    "negative_binomial1": Setting(
        "Negative binomial 1 (1 | g)",
        "y ~ x + (1 | g)",
        "negative_binomial1",
        {**_UNIT, "phi": "lognormal(0, 0.7)"},
        lambda: groups_like(20, 8),
    ),
    "student": Setting(
        "Student (1 | g)",
        "y ~ x + (1 | g)",
        "student",
        {**_UNIT, "sigma": "half_normal(1)", "nu": "lognormal(2, 0.5)"},
        lambda: groups_like(20, 6),
    ),
    "probit": Setting("Probit (1 | g)", "y ~ x + (1 | g)", "bernoulli", _UNIT, lambda: groups_like(30, 8), "probit"),
}

_PRIORS: dict[type[Prior], Callable[[Any, np.random.Generator], float]] = {
    Normal: lambda prior, rng: rng.normal(prior.mu, prior.sigma),
    HalfNormal: lambda prior, rng: abs(rng.normal(0.0, prior.sigma)),
    LogNormal: lambda prior, rng: rng.lognormal(prior.mu, prior.sigma),
}

_DENSITIES: dict[str, Callable[[Array, Array, Mapping[str, Array]], Array]] = {
    "poisson": lambda y, mu, p: stats.poisson.logpmf(y, mu),
    "bernoulli": lambda y, mu, p: stats.bernoulli.logpmf(y, mu),
    "gaussian": lambda y, mu, p: stats.norm.logpdf(y, mu, p["sigma"]),
    "student": lambda y, mu, p: stats.t.logpdf(y, p["nu"], mu, p["sigma"]),
    "gamma": lambda y, mu, p: stats.gamma.logpdf(y, p["shape"], scale=mu / p["shape"]),
    "beta": lambda y, mu, p: stats.beta.logpdf(y, mu * p["phi"], (1 - mu) * p["phi"]),
    "negative_binomial": lambda y, mu, p: stats.nbinom.logpmf(y, p["phi"], p["phi"] / (p["phi"] + mu)),
    "negative_binomial1": lambda y, mu, p: stats.nbinom.logpmf(y, mu / p["phi"], 1 / (1 + p["phi"])),
}
"""The log density of a row, by SciPy and not by the package."""


def truth(model: Model, rng: np.random.Generator) -> dict[str, Array]:
    """Draw all parameters from the model's priors, and random effects given them."""
    design, priors = model.design, model.priors
    slopes = np.array([_PRIORS[type(slope.prior)](slope.prior, rng) for slope in priors.slopes])
    values: dict[str, Array] = {"beta": slopes}
    if priors.intercept is not None:
        intercept = _PRIORS[type(priors.intercept.prior)](priors.intercept.prior, rng)
        if priors.centred:
            intercept -= design.x[:, 1:].mean(axis=0) @ slopes
        values["beta"] = np.array([intercept, *slopes])
    for block in design.blocks:
        values |= _effects(model, block, rng)
    for name, assigned in priors.parameters.items():
        values[name] = np.array(_PRIORS[type(assigned.prior)](assigned.prior, rng))
    return values


def _effects(model: Model, block: BlockDesign, rng: np.random.Generator) -> dict[str, Array]:
    name, k = block.name, block.size
    sd = np.array([_PRIORS[type(one.prior)](one.prior, rng) for one in model.priors.sd[name]])
    lower = np.eye(k)
    values = {f"sd_{name}": sd}
    if block.correlated:
        lower = onion(model.priors.correlation[name].prior.numbers()[0], k, rng)
        values[f"corr_{name}"] = np.array([(lower @ lower.T)[i, j] for i in range(k) for j in range(i)])
    return values | {f"b_{name}": (rng.normal(size=(len(block.levels), k)) @ lower.T) * sd}


def onion(eta: float, k: int, rng: np.random.Generator) -> Array:
    """Draw the Cholesky factor of a k × k correlation matrix under LKJ(eta), row by row."""
    lower = np.eye(k)
    for i in range(1, k):
        length = rng.beta(i / 2, eta + (k - 1 - i) / 2)
        direction = rng.normal(size=i)
        lower[i, :i] = np.sqrt(length) * direction / np.linalg.norm(direction)
        lower[i, i] = np.sqrt(1 - length)
    return lower


def simulate(model: Model, values: Values, rng: np.random.Generator) -> Model:
    """Return the model with a response drawn given parameters; nothing else of it changes."""
    mu = model.family.link.inverse(linear_predictor(model, values))
    parameters = {parameter.name: values[parameter.name] for parameter in model.family.parameters}
    y = model.family.draw(rng, mu, parameters, np.ones_like(mu))
    outcome = model.design.outcome
    assert outcome is not None
    return replace(model, design=replace(model.design, outcome=replace(outcome, y=y)))


def linear_predictor(model: Model, values: Values) -> Array:
    """Return η, shape (…, n), from the formula's numbers."""
    design = model.design
    eta = values["beta"] @ design.x.T + design.offset
    for block in design.blocks:
        eta = eta + (values[f"b_{block.name}"][..., block.index, :] * block.z).sum(axis=-1)
    return eta


def log_likelihood(model: Model, values: Values) -> Array:
    """Return the log likelihood given the random effects, shape (…)."""
    outcome, mu = model.design.outcome, model.family.link.inverse(linear_predictor(model, values))
    assert outcome is not None
    parameters = {one.name: np.asarray(values[one.name])[..., None] for one in model.family.parameters}
    return np.asarray(_DENSITIES[model.family.name](outcome.y, mu, parameters).sum(axis=-1))


def names(model: Model) -> list[str]:
    """Name the quantities that are ranked."""
    found = [f"beta[{coef}]" for coef in model.design.coef]
    for block in model.design.blocks:
        of = f"_{block.name}" if len(model.design.blocks) > 1 else ""
        found += [f"sd{of}[{column}]" for column in block.columns]
        found += [f"corr{of}[{pair}]" for pair in pair_names(block)] if block.correlated else []
        found += [f"b{of}[{block.levels[0]}, {column}]" for column in block.columns]
    return [*found, *(parameter.name for parameter in model.family.parameters), "log likelihood"]


def quantities(model: Model, values: Values) -> Array:
    """Return the quantities in the order of `names`, shape (…, k): of groups, which are alike, only the first."""
    parts = [values["beta"]]
    for block in model.design.blocks:
        parts.append(values[f"sd_{block.name}"])
        parts += [values[f"corr_{block.name}"]] if block.correlated else []
        parts.append(values[f"b_{block.name}"][..., 0, :])
    parts += [np.asarray(values[parameter.name])[..., None] for parameter in model.family.parameters]
    return np.concatenate([*parts, log_likelihood(model, values)[..., None]], axis=-1)


def forward(setting: str, seed: int, index: int) -> tuple[Model, dict[str, Array], int]:
    """Return the model with the data set of this number, its truth, and a seed for its sampler."""
    rng = np.random.default_rng([seed, list(SETTINGS).index(setting), index])
    true = truth(built(setting), rng)
    return simulate(built(setting), true, rng), true, int(rng.integers(2**31))


@cache
def built(setting: str) -> Model:
    """Return a setting's model on its placeholder, built once."""
    return SETTINGS[setting].model()
