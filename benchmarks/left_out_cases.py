"""Studies whose rows and groups `left_out.py` leaves out: small, under priors that do not depend on the data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

import bayesglmm as bg

__all__ = ["CASES", "SETTINGS", "Case", "fitted"]

SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"
COUNTS = {"Intercept": "normal(0, 5)", "slopes": "normal(0, 2.5)", "sd": "half_student_t(3, 0, 2.5)"}
TIMES = {
    "Intercept": "normal(250, 100)",
    "slopes": "normal(0, 50)",
    "sd": "half_student_t(3, 0, 30)",
    "sigma": "half_student_t(3, 0, 50)",
}


@dataclass(frozen=True)
class Case:
    """A model on a study, under priors that do not depend on the data: they are the same with rows removed.

    Parameters
    ----------
    study, formula, family
        As in `bayesglmm.fit`.
    factor
        The grouping factor whose levels are left out.
    priors
        Of all parameters.
    every
        Of the groups every so many are kept.
    """

    study: str
    formula: str
    family: str
    factor: str
    priors: Mapping[str, str]
    every: int = 1

    def load(self) -> pd.DataFrame:
        """Return the data of the groups that are kept."""
        data = bg.datasets.load(self.study)
        return data[data[self.factor].isin(data[self.factor].unique()[:: self.every])].reset_index(drop=True)


CASES = {
    "seizure, Poisson": Case("seizure", SEIZURE, "poisson", "id", COUNTS, every=2),
    "seizure, negative binomial": Case(
        "seizure", SEIZURE, "negative_binomial", "id", {**COUNTS, "phi": "gamma(2, 0.1)"}, every=2
    ),
    "toenail": Case("toenail", "outcome ~ month*treatment + (1 | id)", "bernoulli", "id", COUNTS, every=6),
    "cbpp": Case("cbpp", "p(incidence, size) ~ C(period) + (1 | herd)", "binomial", "herd", COUNTS),
    "sleepstudy": Case("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)", "gaussian", "Subject", TIMES),
    "crossover": Case("crossover", "outcome ~ trt*period + (1 | id)", "bernoulli", "id", COUNTS),
}

SETTINGS: Mapping[str, Any] = {"draws": 500, "chains": 4}


def fitted(case: Case, data: pd.DataFrame, seed: int, **settings: Any) -> bg.Fit:
    """Fit the model of a case to data."""
    chosen = {**SETTINGS, **settings}
    return bg.fit(case.formula, data, case.family, priors=dict(case.priors), seed=seed, progress=False, **chosen)
