"""Whether toenail patients differ in their slopes over time: predictions of further visits, and of new patients.

uv run python benchmarks/toenail_slopes.py    # toenail_slopes.csv
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from left_out import keep_lines

import bayesglmm as bg

FILE = Path(__file__).with_name("toenail_slopes.csv")


def slopes(seed: int, folds: int = 10) -> Iterator[dict[str, Any]]:
    """Compare the toenail study with and without a slope of each patient, by visits and by patients."""
    data = bg.datasets.load("toenail")
    model = "outcome ~ month*treatment + (1 | id)"
    one = bg.fit(model, data, "bernoulli", seed=seed, draws=500, chains=4, progress=False)
    fits = {"intercepts": one, "slopes": one.update("~ month*treatment + (1 + month | id)", progress=False)}
    for unit in ("id", "row"):
        by = None if unit == "row" else unit
        for way in (f"{folds} folds", "loo"):
            elpds = {
                n: fit.loo(unit) if way == "loo" else fit.kfold(folds, by=by, seed=seed) for n, fit in fits.items()
            }
            compared = bg.compare(elpds).table
            for name, found in elpds.items():
                large = int((found.pareto_k.values > 0.7).sum())
                counted = {"k_above": large, "unreliable": len(found.unreliable)}
                yield {"model": name, "unit": unit, "by": way, **compared.loc[name].to_dict(), **counted}


def main() -> None:
    """Measure, and keep what was measured."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bg.BayesGLMMWarning)
        keep_lines(slopes(1), FILE, ["model", "unit", "by"])


if __name__ == "__main__":
    main()
