"""Coverage in sparse trials: simulate small trials with few events, fit each, see whether the interval holds the truth.

    uv run python benchmarks/sparse_trials.py --trials 1000

What covers is the 95 % interval of the population risk difference under the default priors; the truth is that
difference at the true parameters, averaged over the random effects. The truth is **not** drawn from the priors, under
which coverage is 95 % by construction (`calibration.py` tests that), but from ranges of trials as they are run:

- Two designs, half each: parallel groups, patients randomised 1:1, and crossover, each patient's rows taking the
  treatments in turn, which of them first at random. The first compares between patients, the other within.
- 20 to 80 patients: pilot trials and crossovers; the crossover that ships has 67.
- 2 to 4 rows a patient, each patient's own number: two periods, or visits of which some are missed.
- Risk under control, averaged over patients: 3 to 20 %, log-uniform, half of the trials below 8 %: adverse events and
  relapses. 20 patients at the least risk have two events to expect, and many trials have none in an arm.
- Odds ratio of the treatment for a patient: 1/5 to 5, log-uniform. Trials find effects beyond these rarely.
- Sd of the random intercepts: 0.3 to 3 on the logit scale, half below 1.5: from patients almost alike (ICC 0.03 on
  the latent scale) to most of the variance between them (0.73).

Each of the eight combinations of design, low or high risk and low or high sd has an eighth of the trials. All follows
from one seed, on any number of processes, if compiled code is cached: where a process compiles the density itself the
data are the same, but the draws differ as those of another seed would.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit
from tables import table, write

import bayesglmm as bg
from bayesglmm.fitted import Fit
from bayesglmm.sample.diagnostics import LIMITS

__all__ = ["Result", "Trial", "covered", "fitted", "population_risk", "report", "run", "simulate", "summarise"]

FORMULA = "y ~ trt + (1 | id)"
PATIENTS, ROWS = (20, 80), (2, 4)
ODDS_RATIO = 5.0
RISKS = {"3 to 8 %": (0.03, 0.08), "8 to 20 %": (0.08, 0.20)}
SDS = {"0.3 to 1.5": (0.3, 1.5), "1.5 to 3": (1.5, 3.0)}
CELLS = list(product(("parallel", "crossover"), RISKS, SDS))
SEED = 1986
BOUNDS = (0.92, 0.98)
"""Where the coverage over all trials should lie."""

_Z = np.linspace(-10.0, 10.0, 2001)
_WEIGHTS = np.exp(-(_Z**2) / 2) / np.exp(-(_Z**2) / 2).sum()


@dataclass(frozen=True)
class Trial:
    """A simulated trial: what it was simulated from, and its data.

    Parameters
    ----------
    design, risk, sd
        Its cell: `"parallel"` or `"crossover"`, and the ranges of the control risk and of the sd.
    intercept, log_odds_ratio, true_sd
        The parameters, on the logit scale; the coefficients are conditional (b = 0).
    truth
        The population risk difference, treatment less control.
    patients
        Their number.
    data
        Columns `y`, `trt`, `id`.
    seed
        For the sampler.
    """

    design: str
    risk: str
    sd: str
    intercept: float
    log_odds_ratio: float
    true_sd: float
    truth: float
    patients: int
    data: pd.DataFrame
    seed: int


@dataclass(frozen=True)
class Result:
    """What a fit said of a trial; figures are missing where it failed.

    Parameters
    ----------
    trial
        Its number.
    design, risk, sd, intercept, log_odds_ratio, true_sd, truth, patients
        As in `Trial`.
    rows, control_events, treated_events
        Of the data.
    failure
        The error, empty without one.
    separated_x, separated_groups
        Whether the data are separated given X, and given the groups.
    estimate, lower, upper
        The population risk difference: posterior mean, 95 % interval.
    typical_lower, typical_upper
        The interval of the difference at b = 0, which is another quantity.
    finite
        Whether every draw of every parameter, and the interval, is finite.
    largest
        The largest absolute posterior mean of a coefficient (logit scale).
    divergences
        Their number.
    r_hat
        The largest of all parameters, random effects included.
    ess
        Of the risk difference, the lesser of bulk and tail.
    """

    trial: int
    design: str
    risk: str
    sd: str
    intercept: float
    log_odds_ratio: float
    true_sd: float
    truth: float
    patients: int
    rows: int
    control_events: int
    treated_events: int
    failure: str = ""
    separated_x: bool | None = None
    separated_groups: bool | None = None
    estimate: float = np.nan
    lower: float = np.nan
    upper: float = np.nan
    typical_lower: float = np.nan
    typical_upper: float = np.nan
    finite: bool | None = None
    largest: float = np.nan
    divergences: int | None = None
    r_hat: float = np.nan
    ess: float = np.nan


# -- the truth -------------------------------------------------------------------------------------


def population_risk(intercept: float, sd: float) -> float:
    """Average the risk over patients, E expit(intercept + sd z): the trapezoid over z, without the package's own."""
    return float(expit(intercept + sd * _Z) @ _WEIGHTS)


def simulate(seed: int, index: int) -> Trial:
    """Draw the trial of this number: the truth, then data."""
    rng = np.random.default_rng([seed, index])
    design, risk, sd = CELLS[index % len(CELLS)]
    control = float(np.exp(rng.uniform(*np.log(RISKS[risk]))))
    true_sd, log_odds_ratio = float(rng.uniform(*SDS[sd])), float(np.log(ODDS_RATIO) * rng.uniform(-1, 1))
    intercept = float(brentq(lambda a: population_risk(a, true_sd) - control, -30, 10))
    patients = int(rng.integers(PATIENTS[0], PATIENTS[1] + 1))
    first = rng.permutation(np.arange(patients) % 2)
    sizes = rng.integers(ROWS[0], ROWS[1] + 1, patients)
    ids, visit = np.repeat(np.arange(patients), sizes), np.concatenate([np.arange(size) for size in sizes])
    trt = first[ids] if design == "parallel" else (first[ids] + visit) % 2
    b = true_sd * rng.standard_normal(patients)
    y = rng.random(len(ids)) < expit(intercept + log_odds_ratio * trt + b[ids])
    data = pd.DataFrame({"y": y.astype(int), "trt": trt, "id": ids})
    truth = population_risk(intercept + log_odds_ratio, true_sd) - population_risk(intercept, true_sd)
    own = int(rng.integers(2**31))
    return Trial(design, risk, sd, intercept, log_odds_ratio, true_sd, truth, patients, data, own)


# -- the fit ---------------------------------------------------------------------------------------


def fitted(index: int, trial: Trial) -> Result:
    """Fit a trial as anybody would, and note what comes of it; any error is noted, so that none goes uncounted."""
    data = trial.data
    events = [int(data["y"][data["trt"] == arm].sum()) for arm in (0, 1)]
    known = {field.name: getattr(trial, field.name) for field in fields(Trial) if field.name not in ("data", "seed")}
    known |= {"trial": index, "rows": len(data), "control_events": events[0], "treated_events": events[1]}
    try:
        fit = bg.fit(FORMULA, data, "bernoulli", seed=trial.seed, cores=1, progress=False)
        found = _figures(fit)
    except Exception as error:
        return Result(**known, failure=f"{type(error).__name__}: {error}")
    return Result(**known, **found)


def _figures(fit: Fit) -> dict[str, Any]:
    difference, posterior = fit.comparisons("trt", frame=("population", "typical")), fit.posterior
    separation = fit.separation()
    assert separation is not None
    table = difference.table.set_index("frame")
    row, typical = table.loc["population"], table.loc["typical"]
    draws = [*(values.values for values in posterior.data_vars.values()), difference.flat]
    ess = [float(az.ess(difference.draws.isel(row=0), method=method)) for method in ("bulk", "tail")]
    return {
        "separated_x": separation.kind in ("quasi-complete", "complete"),
        "separated_groups": separation.kind_given_groups in ("quasi-complete", "complete"),
        "estimate": float(row["mean"]),
        "lower": float(row["lower"]),
        "upper": float(row["upper"]),
        "typical_lower": float(typical["lower"]),
        "typical_upper": float(typical["upper"]),
        "finite": all(bool(np.isfinite(values).all()) for values in draws),
        "largest": float(np.abs(posterior["beta"].mean(("chain", "draw"))).max()),
        "divergences": int(fit.draws["sample_stats"]["diverging"].sum()),
        "r_hat": max(float(values.max()) for values in az.rhat(posterior).data_vars.values()),
        "ess": min(ess),
    }


def run(trials: int, seed: int, processes: int) -> Generator[Result]:
    """Simulate and fit trials, in order; the draws do not depend on the number of processes."""
    work = partial(_one, seed)
    if processes == 1:
        yield from map(work, range(trials))
        return
    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(work, range(trials))
    finally:
        pool.shutdown(cancel_futures=True)


def _one(seed: int, index: int) -> Result:
    return fitted(index, simulate(seed, index))


# -- the table -------------------------------------------------------------------------------------


def covered(results: pd.DataFrame, lower: str = "lower", upper: str = "upper") -> pd.Series:
    """Return whether each interval holds its truth; one that is missing or infinite at an end does not."""
    bounded = np.isfinite(results[lower]) & np.isfinite(results[upper])
    return bounded & (results[lower] <= results["truth"]) & (results["truth"] <= results[upper])


def summarise(results: pd.DataFrame) -> pd.DataFrame:
    """Tabulate all trials, each half of them by what they were drawn from, each cell, and by what their data are.

    Coverage counts failures as misses; its standard error is the binomial one. What the data are is no property of
    the truth: given it, an interval need not cover at its level.
    """
    results = results.astype(dict.fromkeys(("separated_x", "separated_groups", "finite"), "boolean"))
    strata: dict[str, Any] = {"all": np.ones(len(results), dtype=bool)}
    for name, values in {"design": ("parallel", "crossover"), "risk": RISKS, "sd": SDS}.items():
        strata |= {f"{name} {value}": results[name] == value for value in values}
    strata |= {"20 to 49 patients": results["patients"] < 50, "50 to 80 patients": results["patients"] >= 50}
    strata |= {"data separated given X": results["separated_x"].fillna(False)}
    strata |= {"data not separated given X": (~results["separated_x"]).fillna(False)}
    for cell in CELLS:
        strata["; ".join(cell)] = (results[["design", "risk", "sd"]] == list(cell)).all(axis=1)
    return pd.DataFrame([_stratum(name, results[which]) for name, which in strata.items() if np.any(which)])


def _stratum(name: str, results: pd.DataFrame) -> dict[str, Any]:
    n, coverage = len(results), float(covered(results).mean())
    events = results["control_events"] + results["treated_events"]
    return {
        "stratum": name,
        "trials": n,
        "coverage": coverage,
        "standard_error": np.sqrt(coverage * (1 - coverage) / n),
        "coverage_at_b_0": float(covered(results, "typical_lower", "typical_upper").mean()),
        "mean_width": (results["upper"] - results["lower"]).mean(),
        "median_events": events.median(),
        "separated_x": results["separated_x"].mean(),
        "separated_groups": results["separated_groups"].mean(),
        "divergent_fits": int((results["divergences"] > 0).sum()),
        "high_r_hat": int((results["r_hat"] > LIMITS["r_hat"]).sum()),
        "largest_r_hat": results["r_hat"].max(),
        "largest_coefficient": results["largest"].max(),
        "least_ess": results["ess"].min(),
        "infinite": int((~results["finite"]).sum()),
        "failures": sum(isinstance(text, str) and text != "" for text in results["failure"]),
    }


def report(summary: pd.DataFrame, seed: int) -> str:
    """Return the table in Markdown: all but the cells, which are in the file."""
    heads = ["", "trials", "coverage (%)", "at b = 0 (%)", "mean width", "median events"]
    heads += ["separated given X", "given the groups", "fits with divergences", "with R-hat above 1.01"]
    heads += ["largest R-hat", "infinite", "failures"]
    body = [
        [
            row.stratum,
            f"{row.trials:,}",
            f"{100 * row.coverage:.1f} ± {100 * row.standard_error:.1f}",
            f"{100 * row.coverage_at_b_0:.1f}",
            f"{row.mean_width:.3f}",
            f"{row.median_events:.0f}",
            f"{100 * row.separated_x:.0f} %",
            f"{100 * row.separated_groups:.0f} %",
            str(row.divergent_fits),
            str(row.high_r_hat),
            f"{row.largest_r_hat:.3f}",
            str(row.infinite),
            str(row.failures),
        ]
        for row in summary.itertuples()
        if ";" not in str(row.stratum)
    ]
    whole = summary.iloc[0]
    about = (
        f"{whole['trials']:,} trials, seed {seed}. Largest posterior mean of a coefficient: "
        f"{whole['largest_coefficient']:.1f} on the logit scale; least ESS of a risk difference: "
        f"{whole['least_ess']:,.0f} of 4,000 draws."
    )
    return f"{about}\n\n{table(heads, body)}"


def main() -> None:
    """Run the trials from the command line."""
    here = Path(__file__).parent
    parser = argparse.ArgumentParser(description="Coverage of the population risk difference in sparse trials.")
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--minutes", type=float, default=np.inf, help="stop after these, with the trials there are")
    parser.add_argument("--out", type=Path, default=here / "sparse_trials")
    parser.add_argument("--page", type=Path, help="the file whose table is replaced; README.md with --trials 1000")
    given = parser.parse_args()
    given.page = given.page or (here / "README.md" if given.trials >= 1000 else None)
    given.out.mkdir(parents=True, exist_ok=True)
    found, start = [], time.perf_counter()
    with closing(run(given.trials, given.seed, given.processes)) as results_in_order:
        for result in results_in_order:
            found.append(result)
            seconds = time.perf_counter() - start
            if len(found) % 50 == 0:
                print(f"{len(found)} trials, {seconds:.0f} s", file=sys.stderr, flush=True)
            if seconds > 60 * given.minutes:
                break
    results = given.out / "trials.csv"
    pd.DataFrame([asdict(result) for result in found]).to_csv(results, index=False, float_format="%.6g")
    summary = summarise(pd.read_csv(results))
    summary.to_csv(given.out / "summary.csv", index=False, float_format="%.4g")
    print(summary.to_string(index=False))
    if given.page is not None:
        write(given.page, report(summary, given.seed), "sparse trials")
    whole = summary.iloc[0]
    if whole["failures"] or whole["infinite"] or not BOUNDS[0] <= whole["coverage"] <= BOUNDS[1]:
        sys.exit(f"{whole['failures']} failures, {whole['infinite']} infinite, coverage {whole['coverage']:.3f}")


if __name__ == "__main__":
    main()
