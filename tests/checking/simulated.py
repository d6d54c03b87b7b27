"""Data simulated with one planted fault each, and the fits that the checks are to judge."""

from collections.abc import Callable

import numpy as np
import pandas as pd

import bayesglmm as bg

GROUPS, ROWS = 50, 8

type Rng = np.random.Generator


def frame(seed: int) -> tuple[Rng, pd.DataFrame, np.ndarray]:
    """Return a generator, groups with rows at times 0 … 7 and a covariate, and random intercepts of sd 0.5."""
    rng = np.random.default_rng(seed)
    group, time = np.repeat(np.arange(GROUPS), ROWS), np.tile(np.arange(ROWS), GROUPS) / (ROWS - 1)
    data = pd.DataFrame({"g": group, "time": time, "x": rng.uniform(-1, 1, GROUPS * ROWS)})
    return rng, data, rng.normal(0, 0.5, GROUPS)[group]


def nothing(seed: int) -> pd.DataFrame:
    rng, data, b = frame(seed)
    return data.assign(y=rng.poisson(np.exp(1 + 0.5 * data["x"] + b)))


def overdispersion(seed: int) -> pd.DataFrame:
    rng, data, b = frame(seed)
    mean = np.exp(1 + 0.5 * data["x"] + b)
    return data.assign(y=rng.poisson(mean * rng.gamma(3.0, 1 / 3.0, len(data))))


def zero_inflation(seed: int) -> pd.DataFrame:
    data = nothing(seed)
    kept = np.random.default_rng(seed + 1000).random(len(data)) > 0.15
    return data.assign(y=data["y"] * kept)


def wrong_link(seed: int) -> pd.DataFrame:
    """The square root of the mean is linear in x, the logarithm is fitted."""
    rng, data, b = frame(seed)
    return data.assign(y=rng.poisson((2.4 + 2.0 * data["x"] + 0.3 * b) ** 2))


def missing_slope(seed: int) -> pd.DataFrame:
    rng, data, b = frame(seed)
    slope = rng.normal(0, 0.9, GROUPS)[data["g"]]
    return data.assign(y=rng.poisson(np.exp(1 + 0.5 * data["x"] + b + slope * (data["time"] - 0.5))))


def two_kinds_of_groups(seed: int) -> pd.DataFrame:
    rng, data, _ = frame(seed)
    b = rng.choice([-0.8, 0.8], GROUPS)[data["g"]]
    return data.assign(y=rng.poisson(np.exp(2 + 0.5 * data["x"] + b)))


FAULTS: dict[str, Callable[[int], pd.DataFrame]] = {
    "nothing": nothing,
    "overdispersion": overdispersion,
    "zero inflation": zero_inflation,
    "wrong link": wrong_link,
    "missing slope": missing_slope,
    "two kinds of groups": two_kinds_of_groups,
}


def fitted(data: pd.DataFrame, formula: str = "y ~ x + time + (1 | g)", family: str = "poisson") -> bg.Fit:
    return bg.fit(formula, data, family, draws=300, chains=2, seed=1, progress=False)
