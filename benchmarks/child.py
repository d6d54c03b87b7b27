"""One process of the benchmark: fit a study with one engine, print what was measured as a line of JSON.

`run.py` starts it with a cache of its own. What an engine imports, it imports where its time is measured.
"""

import argparse
import json
import resource
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from studies import STUDIES, Study

type Fitted = tuple[Any, int]
"""The draws of β, sd, correlations and family parameters as a dataset, and the number of divergences."""


def fit_ours(study: Study, data: Any, settings: dict[str, Any], seed: int, backend: Any) -> Fitted:
    """Fit with this package."""
    import bayesglmm as bg

    fit = bg.fit(study.formula, data, study.family, seed=seed, progress=False, backend=backend, **settings)
    posterior = fit.posterior
    kept = [name for name in posterior.data_vars if not str(name).startswith("b_")]
    return posterior[kept], int(fit.draws["sample_stats"]["diverging"].sum())


def fit_bambi(study: Study, data: Any, settings: dict[str, Any], seed: int) -> Fitted:
    """Fit with Bambi and nutpie, at Bambi's own priors; its random effects are independent."""
    import bambi

    model = bambi.Model(study.formula, data, family=study.family)
    tree = model.fit(inference_method="nutpie", random_seed=seed, progressbar=False, **settings)
    posterior = tree["posterior"].to_dataset()
    kept = [name for name in posterior.data_vars if "|" not in str(name) or str(name).endswith("_sigma")]
    return posterior[kept], int(tree["sample_stats"]["diverging"].sum())


def engine(name: str) -> Callable[..., Fitted]:
    """Return the function that fits."""
    if name == "bambi":
        return fit_bambi
    return lambda study, data, settings, seed: fit_ours(study, data, settings, seed, name)


def diagnose(posterior: Any) -> dict[str, float]:
    """Return the least bulk ESS and the largest R-hat of all parameters."""
    import arviz as az

    ess, rhat = az.ess(posterior, method="bulk"), az.rhat(posterior)
    return {
        "ess": min(float(values.min()) for values in ess.data_vars.values()),
        "rhat": max(float(values.max()) for values in rhat.data_vars.values()),
    }


def gradient(study: Study, data: Any, backend: str) -> dict[str, float]:
    """Return the rows of the compiled log density, and the time of its gradient for each (ns)."""
    from gradient import compiled_density, seconds_per_gradient

    import bayesglmm as bg

    compiled, rows = compiled_density(bg.glmm(study.formula, data, study.family), backend)
    return {"merged": rows, "gradient": seconds_per_gradient(compiled) / rows * 1e9}


def peak() -> float:
    """Return the most memory the process has held (MiB)."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Fit as often as asked; the first from the start of the process, the others from their own."""
    study, fit = STUDIES[given.study], engine(given.engine)
    settings = json.loads(given.settings)
    data = study.load(given.data)
    fits = [fit(study, data, settings, given.seed)]
    found: dict[str, Any] = {"first": time.time() - given.started, "again": [], "peak": peak(), "rows": len(data)}
    found["groups"] = int(data[study.group].nunique())
    for i in range(1, given.fits):
        start = time.perf_counter()
        fits.append(fit(study, data, settings, given.seed + i))
        found["again"].append(time.perf_counter() - start)
    diagnosed = [diagnose(posterior) for posterior, _ in fits]
    found |= {key: [one[key] for one in diagnosed] for key in ("ess", "rhat")}
    found["divergences"] = [divergences for _, divergences in fits]
    if given.gradient:
        found |= gradient(study, data, given.engine)
    return found


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=list(STUDIES))
    parser.add_argument("engine", choices=["density", "pymc", "bambi"])
    parser.add_argument("--started", type=float, required=True, help="when the process was started (seconds of time())")
    parser.add_argument("--fits", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--settings", default="{}", help="of the sampler, as JSON")
    parser.add_argument("--data", help="a CSV file in place of the shipped data")
    parser.add_argument("--gradient", action="store_true", help="also time the compiled log density")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    print(json.dumps(measure(given)))


if __name__ == "__main__":
    main()
