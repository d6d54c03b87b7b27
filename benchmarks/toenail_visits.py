"""Where slopes of the toenail patients gain: at the t-th visit of a patient left out whole, given the visits before it.

uv run python benchmarks/toenail_visits.py    # toenail_visits.csv: some ten minutes

The density of a patient left out whole is that of the first visit, times that of the second given the first, and so on.
So the difference between two models by patients is a sum over visits, each predicted from fewer visits than where a
visit alone is left out.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import arviz  # noqa: F401  (registers the accessor)
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

import bayesglmm as bg
from bayesglmm.comparison.left_out import with_weights
from bayesglmm.marginalize.group_likelihood import group_log_likelihood

FORMULAS = {
    "intercepts": "outcome ~ month*treatment + (1 | id)",
    "slopes": "outcome ~ month*treatment + (1 + month | id)",
}

FILE = Path(__file__).with_name("toenail_visits.csv")

type Array = NDArray[np.float64]


def by_visits_known(fit: bg.Fit, thin: int) -> Array:
    """Return log p(y_jt | y_j1 … y_j,t−1, the other patients), (m, visits); NaN where a patient has no such visit.

    Every `thin`-th draw of each chain is weighted by 1 / p(y_j | θ), which leaves patient j out; rows are in the order
    of visits.
    """
    design = fit.model.design
    (block,) = design.blocks
    place = pd.Series(block.index).groupby(block.index).cumcount().to_numpy()
    visits = np.bincount(block.index)
    whole = group_log_likelihood(fit, thin=thin)
    log_weights, _ = whole.azstats.psislw(dim=["chain", "draw"])
    known = [np.zeros(len(visits))]
    for t in range(1, visits.max() + 1):
        rows = (place < t) & (visits[block.index] > t)
        values = whole.where(visits == t, 0.0)
        if rows.any():
            first = replace(fit, model=with_weights(fit.model, rows.astype(float)))
            values = values + group_log_likelihood(first, thin=thin)
        weighted = (log_weights + values).transpose("chain", "draw", ...).values
        known.append(special.logsumexp(weighted, axis=(0, 1)))
    steps = np.diff(np.column_stack(known), axis=1)
    return np.where(np.arange(visits.max()) < visits[:, None], steps, np.nan)


def gains(steps: dict[str, Array]) -> pd.DataFrame:
    """Return the log predictive density of each visit by each model, and their difference; a line a visit."""
    difference = steps["slopes"] - steps["intercepts"]
    patients = np.isfinite(difference).sum(axis=0)
    return pd.DataFrame(
        {
            "visits_before": np.arange(len(patients)),
            "patients": patients,
            **{name: np.nansum(values, axis=0) for name, values in steps.items()},
            "gain": np.nansum(difference, axis=0),
            "se": np.sqrt(patients) * np.nanstd(difference, axis=0, ddof=1),
        }
    )


def main() -> None:
    """Fit both models, and keep what slopes gain visit by visit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--thin", type=int, default=16)
    given = parser.parse_args()
    data = bg.datasets.load("toenail")
    steps = {}
    for name, formula in FORMULAS.items():
        fit = bg.fit(formula, data, "bernoulli", seed=given.seed, progress=False)
        print(fit.check().verdict, flush=True)
        steps[name] = by_visits_known(fit, given.thin)
    lines = gains(steps)
    by_patient = np.nansum(steps["slopes"] - steps["intercepts"], axis=1)
    print(lines.round(2).to_string())
    print(f"in all {by_patient.sum():.1f}, se {np.sqrt(len(by_patient)) * by_patient.std(ddof=1):.1f}")
    if given.seed == parser.get_default("seed"):
        lines.round(3).to_csv(FILE, index=False)


if __name__ == "__main__":
    main()
