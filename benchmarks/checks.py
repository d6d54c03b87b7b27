"""How often each check finds each fault: the share of simulated data sets in which its p-value is below 5 %.

uv run python benchmarks/checks.py            # checks.csv: a quarter of an hour
uv run python benchmarks/checks.py --sets 4   # to see that all works
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from planted_faults import FAULTS, fitted
from tables import table

import bayesglmm as bg
from bayesglmm.checking.discrepancy import Discrepancy
from bayesglmm.plots.effect_quantiles import sorted_effects

FILE = Path(__file__).with_name("checks.csv")

LEVEL = 0.05


def _curve(kind: str, **options: str) -> Callable[[bg.Fit], float]:
    return lambda fit: fit.posterior_check(kind, seed=1, **options).p_value  # type: ignore[arg-type]


def _two_sided(found: Discrepancy) -> float:
    return 2 * min(found.p_value, 1 - found.p_value)


def _within(fit: bg.Fit) -> float:
    """Return the p-value of the sd of slopes over time between groups."""
    found = fit.posterior_check("time", column="time", seed=1)
    assert isinstance(found, bg.PosteriorCheck)
    assert found.statistics is not None
    return 2 * float(min(found.statistics.loc["sd of slopes between groups", "p_value"], 0.5))


def _normal(fit: bg.Fit) -> float:
    """Return 0 where more than one sorted effect in 20 lies outside its band, else 1."""
    effects = fit.random_effects()
    points, lower, upper = sorted_effects(effects.flat[..., 0], effects.sd[:, 0])
    return float(np.mean((points < lower) | (points > upper)) <= 0.05)


CHECKS: dict[str, Callable[[bg.Fit], float]] = {
    "dispersion": lambda fit: _two_sided(fit.dispersion(seed=1)),
    "zeros": lambda fit: _two_sided(fit.zeros(seed=1)),
    "rootogram": _curve("rootogram"),
    "pit": _curve("pit"),
    "binned": _curve("binned"),
    "residuals": _curve("residuals"),
    "covariate x": _curve("covariate", column="x"),
    "time, slopes": _within,
    "mean_variance": _curve("mean_variance"),
    "group_statistic": _curve("group_statistic"),
    "effects, quantiles": _normal,
}


def measured(sets: int) -> pd.DataFrame:
    """Return the share of data sets in which each check finds each fault, index `check`, a column a fault."""
    shares = {}
    for fault, simulate in FAULTS.items():
        p_values = []
        for seed in range(sets):
            fit = fitted(simulate(seed))
            p_values.append([check(fit) for check in CHECKS.values()])
        shares[fault] = (np.array(p_values) < LEVEL).mean(axis=0)
    return pd.DataFrame(shares, index=pd.Index(CHECKS, name="check"))


def main() -> None:
    """Measure, write the file and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=40, help="data sets a fault")
    sets = parser.parse_args().sets
    shares = measured(sets)
    if sets >= 40:
        shares.round(3).to_csv(FILE)
    rows = [[str(name), *(f"{100 * share:.0f} %" for share in row)] for name, row in shares.iterrows()]
    print(table(["check", *shares.columns], [list(row) for row in rows]))


if __name__ == "__main__":
    main()
