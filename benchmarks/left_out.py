"""Rows and groups left out, by `loo` and `kfold`, beside fits to data from which they were removed.

uv run python benchmarks/left_out.py              # left_out.csv: some minutes
uv run python benchmarks/left_out.py --units 3    # to see that all works
"""

import argparse
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special
from tables import table

import bayesglmm as bg
from bayesglmm.comparison.left_out import with_weights
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Thinned

FILE = Path(__file__).with_name("left_out.csv")

COUNTS = {"Intercept": "normal(0, 5)", "slopes": "normal(0, 2.5)", "sd": "half_student_t(3, 0, 2.5)"}
TIMES = {
    "Intercept": "normal(250, 100)",
    "slopes": "normal(0, 50)",
    "sd": "half_student_t(3, 0, 30)",
    "sigma": "half_student_t(3, 0, 50)",
}


@dataclass(frozen=True)
class Case:
    """A model on a study, under priors that do not depend on the data: they are the same with rows removed."""

    study: str
    formula: str
    family: str
    factor: str
    priors: Mapping[str, str]
    every: int = 1

    def load(self) -> pd.DataFrame:
        """Return the data, of every few groups."""
        data = bg.datasets.load(self.study)
        return data[data[self.factor].isin(data[self.factor].unique()[:: self.every])].reset_index(drop=True)


CASES = {
    "seizure, poisson": Case(
        "seizure", "count ~ trt*time + offset(log(weeks)) + (1 + time | id)", "poisson", "id", COUNTS
    ),
    "seizure, negative binomial": Case(
        "seizure",
        "count ~ trt*time + offset(log(weeks)) + (1 + time | id)",
        "negative_binomial",
        "id",
        {**COUNTS, "phi": "gamma(2, 0.1)"},
    ),
    "toenail": Case("toenail", "outcome ~ month*treatment + (1 | id)", "bernoulli", "id", COUNTS, every=3),
    "cbpp": Case("cbpp", "p(incidence, size) ~ period + (1 | herd)", "binomial", "herd", COUNTS),
    "sleepstudy": Case("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)", "gaussian", "Subject", TIMES),
    "crossover": Case("crossover", "outcome ~ trt*period + (1 | id)", "bernoulli", "id", COUNTS),
}

SETTINGS: Mapping[str, Any] = {"draws": 1000, "chains": 4, "progress": False}


def fitted(case: Case, data: pd.DataFrame, seed: int) -> bg.Fit:
    """Fit the model of a case to data."""
    return bg.fit(case.formula, data, case.family, priors=dict(case.priors), seed=seed, **SETTINGS)


def removed(case: Case, fit: bg.Fit, data: pd.DataFrame, gone: np.ndarray, unit: str, seed: int) -> np.ndarray:
    """Return the log predictive density of units (n,) that are removed from the data together, by a fit to the rest."""
    others = fitted(case, data[~gone].reset_index(drop=True), seed)
    levels = {block.name: list(block.levels) for block in fit.model.design.blocks}
    draws = others.draws.copy()
    draws["posterior"] = bg_tree(others.posterior.reindex(levels, fill_value=0.0))
    scored = Thinned(with_weights(fit.model, gone.astype(float)), draws, 1)
    if unit == "row":
        values = log_likelihood(scored).values[..., gone]
    else:
        index = fit.model.design.blocks[0].index
        values = group_log_likelihood(scored, unit).values[..., np.unique(index[gone])]
    flat = values.reshape(-1, values.shape[-1])
    return np.asarray(special.logsumexp(flat, axis=0) - np.log(len(flat)))


def bg_tree(dataset: Any) -> Any:
    """Return a dataset as a node of a tree."""
    import xarray as xr

    return xr.DataTree(dataset)


def measured(name: str, case: Case, unit: str, units: int, seed: int) -> dict[str, Any]:
    """Compare `loo` with fits to data without each of some units, two of each, of different seeds."""
    data = case.load()
    fit = fitted(case, data, seed)
    weighted, exact = fit.loo(unit, exact=False), fit.loo(unit, exact=True)
    total = len(exact.pointwise)
    rng = np.random.default_rng(seed)
    worst = np.argsort(-weighted.pareto_k.values)[: units // 2]
    rest = rng.choice(np.setdiff1d(np.arange(total), worst), min(units - len(worst), total - len(worst)), replace=False)
    chosen = np.concatenate([worst, rest])
    index = np.arange(total) if unit == "row" else fit.model.design.blocks[0].index
    again = [
        np.concatenate([removed(case, fit, data, index == each, unit, seed + repeat) for each in chosen])
        for repeat in (1, 2)
    ]
    average = np.mean(again, axis=0)
    return {
        "study": name,
        "unit": unit,
        "units": total,
        "k above 0.7": int((weighted.pareto_k.values > 0.7).sum()),
        "elpd, weights alone": weighted.elpd,
        "elpd": exact.elpd,
        "se": exact.se,
        "removed": len(chosen),
        "largest difference, weights alone": np.abs(weighted.pointwise.values[chosen] - average).max(),
        "largest difference": np.abs(exact.pointwise.values[chosen] - average).max(),
        "rms difference": np.sqrt(np.mean((exact.pointwise.values[chosen] - average) ** 2)),
        "rms of two fits": np.sqrt(np.mean((again[0] - again[1]) ** 2)),
    }


def folds(name: str, case: Case, by: str | None, seed: int) -> dict[str, Any]:
    """Compare `kfold` with fits to data without each fold, two of each."""
    data = case.load()
    fit = fitted(case, data, seed)
    found = fit.kfold(5, by=by, seed=seed)
    index = np.arange(len(data)) if by is None else fit.model.design.blocks[0].index
    total = len(found.pointwise)
    part = np.random.default_rng(seed).permutation(total) % 5
    again = []
    for repeat in (1, 2):
        values = np.empty(total)
        for number in range(5):
            gone = (part == number)[index]
            values[part == number] = removed(case, fit, data, gone, by or "row", seed + repeat)
        again.append(values)
    average = np.mean(again, axis=0)
    return {
        "study": name,
        "unit": f"5 folds of {by or 'row'}",
        "units": total,
        "elpd": found.elpd,
        "se": found.se,
        "removed": total,
        "largest difference": np.abs(found.pointwise.values - average).max(),
        "rms difference": np.sqrt(np.mean((found.pointwise.values - average) ** 2)),
        "rms of two fits": np.sqrt(np.mean((again[0] - again[1]) ** 2)),
    }


def slopes(seed: int) -> list[dict[str, Any]]:
    """Compare the toenail study with and without a slope of each patient, by rows and by patients."""
    data = bg.datasets.load("toenail")
    one = bg.fit("outcome ~ month*treatment + (1 | id)", data, "bernoulli", seed=seed, **SETTINGS)
    fits = {"intercepts": one, "slopes": one.update("~ month*treatment + (1 + month | id)", progress=False)}
    rows = []
    for unit in ("row", "id"):
        table_ = bg.compare(fits, unit).table
        for model in fits:
            rows.append({"study": f"toenail, {model}", "unit": unit, **table_.loc[model].to_dict()})
    return rows


def main() -> None:
    """Measure, write the table, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=16)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rows = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bg.BayesGLMMWarning)
        for name, case in CASES.items():
            rows += [measured(name, case, unit, given.units, given.seed) for unit in ("row", case.factor)]
            print(rows[-2:], flush=True)
        rows += [folds(name, CASES[name], by, given.seed) for name, by in (("cbpp", None), ("sleepstudy", "Subject"))]
        questions = slopes(given.seed)
    result = pd.DataFrame(rows)
    if given.units == parser.get_default("units"):
        result.round(3).to_csv(FILE, index=False)
        pd.DataFrame(questions).round(2).to_csv(FILE.with_name("toenail_slopes.csv"), index=False)
    print(table(result.round(3).fillna("").astype(str).values.tolist(), list(result)) if False else result.to_string())
    print(pd.DataFrame(questions).to_string())


if __name__ == "__main__":
    main()
