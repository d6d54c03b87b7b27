"""Counts in groups with one planted fault each, and the fit that the checks are to judge.

Each data set has 50 groups of 8 rows at times 0 … 1, a covariate x on (−1, 1) and, but for the last, normal random
intercepts. The fit is the same for all: Poisson, log link, y ~ x + time + (1 | g).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import bayesglmm as bg

__all__ = [
    "FAULTS",
    "fitted",
    "missing_slope",
    "nothing",
    "overdispersion",
    "two_kinds",
    "wrong_link",
    "zero_inflation",
]

GROUPS, ROWS = 50, 8

type Array = NDArray[Any]


def _rows(seed: int) -> tuple[np.random.Generator, pd.DataFrame, Array]:
    """Return a generator, groups, times and covariate, and each row's random intercept of sd 0.5."""
    rng = np.random.default_rng(seed)
    group, time = np.repeat(np.arange(GROUPS), ROWS), np.tile(np.arange(ROWS), GROUPS) / (ROWS - 1)
    data = pd.DataFrame({"g": group, "time": time, "x": rng.uniform(-1, 1, GROUPS * ROWS)})
    return rng, data, rng.normal(0, 0.5, GROUPS)[group]


def nothing(seed: int) -> pd.DataFrame:
    """Make data of the model that is fitted."""
    rng, data, b = _rows(seed)
    return data.assign(y=rng.poisson(np.exp(1 + 0.5 * data["x"] + b)))


def overdispersion(seed: int) -> pd.DataFrame:
    """Make negative binomial counts of shape 3: V = μ + μ²/3."""
    rng, data, b = _rows(seed)
    mean = np.exp(1 + 0.5 * data["x"] + b)
    return data.assign(y=rng.poisson(mean * rng.gamma(3.0, 1 / 3.0, len(data))))


def zero_inflation(seed: int) -> pd.DataFrame:
    """Set 15 % of the counts to zero."""
    data = nothing(seed)
    kept = np.random.default_rng(seed + 1000).random(len(data)) > 0.15
    return data.assign(y=data["y"] * kept)


def wrong_link(seed: int) -> pd.DataFrame:
    """Make counts whose mean is linear in x on the square-root scale."""
    rng, data, b = _rows(seed)
    return data.assign(y=rng.poisson((2.4 + 2.0 * data["x"] + 0.3 * b) ** 2))


def missing_slope(seed: int) -> pd.DataFrame:
    """Make counts whose slopes over time differ between groups, with sd 0.9."""
    rng, data, b = _rows(seed)
    slope = rng.normal(0, 0.9, GROUPS)[data["g"]]
    return data.assign(y=rng.poisson(np.exp(1 + 0.5 * data["x"] + b + slope * (data["time"] - 0.5))))


def two_kinds(seed: int) -> pd.DataFrame:
    """Make groups of two kinds, at −0.8 and 0.8, in place of normal intercepts."""
    rng, data, _ = _rows(seed)
    b = rng.choice([-0.8, 0.8], GROUPS)[data["g"]]
    return data.assign(y=rng.poisson(np.exp(2 + 0.5 * data["x"] + b)))


FAULTS: dict[str, Callable[[int], pd.DataFrame]] = {
    "none": nothing,
    "overdispersion": overdispersion,
    "zero inflation": zero_inflation,
    "wrong link": wrong_link,
    "missing slope": missing_slope,
    "two kinds of groups": two_kinds,
}


def fitted(data: pd.DataFrame, formula: str = "y ~ x + time + (1 | g)", family: str = "poisson") -> bg.Fit:
    """Fit by two chains of 300 draws."""
    return bg.fit(formula, data, family, draws=300, chains=2, seed=1, progress=False)
