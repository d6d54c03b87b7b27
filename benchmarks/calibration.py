"""Simulation-based calibration: simulate data from the prior, refit, see that the truth has no preferred rank.

    uv run python benchmarks/calibration.py --datasets 500

If parameters are drawn from the prior and data given them, the rank of the truth among independent draws of the
posterior is uniform, for every parameter and for every function of parameters and data. The log likelihood is one:
a sampler that ignores the data and returns the prior passes for every parameter, and fails there.

The truth is drawn by this file and not by the package: the LKJ prior by the onion method, where the package has
partial correlations. All follows from one seed, on any number of processes.

References
----------
Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788.
Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman & Vehtari (2025), Bayesian Analysis 20, 461-488.
Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001 (the onion method).
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from uniformity import band, chi_square, counts_below, p_value

import bayesglmm as bg
from bayesglmm.design import BlockDesign
from bayesglmm.errors import BayesGLMMError
from bayesglmm.graph import pair_names
from bayesglmm.model import Model
from bayesglmm.plots.style import COLOURS, GREY, INK, Picture, new_figure
from bayesglmm.priors import HalfNormal, Normal, Prior
from bayesglmm.sampling import Sampler, sample

__all__ = ["SETTINGS", "Refit", "Setting", "forward", "names", "quantities", "ranks", "refit", "simulate", "truth"]

type Array = NDArray[np.float64]
type Values = Mapping[str, Array]
"""Values by the names of the posterior's variables, any number of leading dimensions."""

L = 99
"""Draws that a truth is ranked among: 100 ranks, which many numbers of bins divide."""

SAMPLER = Sampler(draws=500, chains=2, cores=1)
ENOUGH = 200.0
"""The least ESS of any quantity before draws are thinned to L; where it is less, more draws are made."""

ATTEMPTS = (1, 4)
"""How many times the draws, at the first attempt and the later ones."""


@dataclass(frozen=True)
class Setting:
    """A design with its model: what data are simulated for.

    Parameters
    ----------
    title
        What it is, for figures.
    formula, family, priors
        As in `bayesglmm.glmm`; every prior is given, so that none depends on the data.
    table
        Makes the predictors, with a placeholder for the response `y`.
    """

    title: str
    formula: str
    family: str
    priors: Mapping[str, str]
    table: Callable[[], pd.DataFrame]

    def model(self) -> Model:
        """Build the model on the placeholder."""
        return bg.glmm(self.formula, self.table(), self.family, priors=dict(self.priors))


def seizure_like(groups: int = 30) -> pd.DataFrame:
    """Make a trial with a long baseline period and four short ones of each of several patients."""
    ids, time_ = np.repeat(np.arange(1, groups + 1), 5), np.tile([0, 1, 1, 1, 1], groups)
    weeks = np.where(time_ == 0, 8, 2)
    return pd.DataFrame({"id": ids, "trt": ids % 2, "time": time_, "weeks": weeks, "y": np.arange(len(ids)) % 2})


def toenail_like(groups: int = 60) -> pd.DataFrame:
    """Make a trial with six visits in a year of each of many patients."""
    ids, month = np.repeat(np.arange(1, groups + 1), 6), np.tile([0, 1, 2, 3, 6, 12], groups)
    return pd.DataFrame({"id": ids, "treatment": ids % 2, "month": month, "y": np.arange(len(ids)) % 2})


_UNIT = {"intercept": "normal(0, 1)", "slopes": "normal(0, 1)", "sd": "half_normal(1)"}
_MONTHS = {"month": "normal(0, 0.3)", "month:treatment": "normal(0, 0.3)", "sd": "half_normal(2)"}

FAILURES = (BayesGLMMError, ArithmeticError, np.linalg.LinAlgError)
"""What a refit may end with; it is counted, and said aloud, since leaving it out biases the ranks."""

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
}

# -- the truth and the data ------------------------------------------------------------------------

_PRIORS: dict[type[Prior], Callable[[Any, np.random.Generator], float]] = {
    Normal: lambda prior, rng: rng.normal(prior.mu, prior.sigma),
    HalfNormal: lambda prior, rng: abs(rng.normal(0.0, prior.sigma)),
}


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
    y = model.family.draw(rng, mu, {}, np.ones_like(mu))
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
    """Return the log likelihood given the random effects, up to a constant of the data, shape (…)."""
    outcome, eta = model.design.outcome, linear_predictor(model, values)
    assert outcome is not None
    cumulant = {"poisson": np.exp, "bernoulli": lambda eta: np.logaddexp(0.0, eta)}[model.family.name]
    return np.asarray((outcome.y * eta - cumulant(eta)).sum(axis=-1))


def names(model: Model) -> list[str]:
    """Name the quantities that are ranked."""
    found = [f"beta[{coef}]" for coef in model.design.coef]
    for block in model.design.blocks:
        found += [f"sd[{column}]" for column in block.columns]
        found += [f"corr[{pair}]" for pair in pair_names(block)] if block.correlated else []
        found += [f"b[{block.levels[0]}, {column}]" for column in block.columns]
    return [*found, "log likelihood"]


def quantities(model: Model, values: Values) -> Array:
    """Return the quantities in the order of `names`, shape (…, k): of groups, which are alike, only the first."""
    parts = [values["beta"]]
    for block in model.design.blocks:
        parts.append(values[f"sd_{block.name}"])
        parts += [values[f"corr_{block.name}"]] if block.correlated else []
        parts.append(values[f"b_{block.name}"][..., 0, :])
    return np.concatenate([*parts, log_likelihood(model, values)[..., None]], axis=-1)


# -- the posterior and the ranks -------------------------------------------------------------------


@dataclass(frozen=True)
class Refit:
    """One data set: its truth, and draws of its posterior.

    Parameters
    ----------
    truth
        (k,) the quantities that the data were simulated from.
    draws
        (L, k) of the posterior, far enough apart to be independent; None if the sampler failed.
    ess
        The least bulk ESS of a quantity before thinning.
    divergences
        The number of divergent transitions.
    seconds
        The time it took, of all attempts.
    mebibytes
        The memory that the process holds afterwards.
    """

    truth: Array
    draws: Array | None
    ess: float = np.nan
    divergences: int = 0
    seconds: float = np.nan
    mebibytes: float = np.nan


def refit(
    model: Model, true: Values, seed: int, sampler: Sampler = SAMPLER, attempts: tuple[int, ...] = ATTEMPTS
) -> Refit:
    """Sample the posterior of simulated data, longer where the draws are too few, and thin it to L draws.

    Parameters
    ----------
    model
        The model with the simulated response.
    true
        What it was simulated from.
    seed
        Of the sampler.
    sampler
        The settings of the first attempt.
    attempts
        How many times its draws, at the first attempt and the later ones.
    """
    start, wanted = time.perf_counter(), quantities(model, true)
    try:
        for times in attempts:
            tree = sample(model, replace(sampler, seed=seed, draws=times * sampler.draws), progress=False)
            posterior = {name: values.values for name, values in tree["posterior"].data_vars.items()}
            found = quantities(model, posterior)
            ess = float(np.min(az.ess(found, chain_axis=0, draw_axis=1, method="bulk")))
            if ess >= ENOUGH:
                break
    except FAILURES as error:
        print(f"the refit with seed {seed} failed: {type(error).__name__}: {error}", file=sys.stderr)
        return Refit(wanted, None)
    flat = found.reshape(-1, found.shape[-1])
    kept = flat[np.linspace(0, len(flat) - 1, L).round().astype(int)]
    divergences = int(tree["sample_stats"]["diverging"].sum())
    return Refit(wanted, kept, ess, divergences, time.perf_counter() - start, _resident())


def forward(setting: str, seed: int, index: int) -> tuple[Model, dict[str, Array], int]:
    """Return the model with the data set of this number, its truth, and a seed for its sampler."""
    rng = np.random.default_rng([seed, list(SETTINGS).index(setting), index])
    model = _model(setting)
    true = truth(model, rng)
    return simulate(model, true, rng), true, int(rng.integers(2**31))


def ranks(refits: list[Refit]) -> NDArray[np.int64]:
    """Return how many draws lie below the truth, (n, k) from 0 to L, of the refits that did not fail."""
    return np.array([(one.draws < one.truth).sum(axis=0) for one in refits if one.draws is not None])


@cache
def _model(setting: str) -> Model:
    return SETTINGS[setting].model()


def _resident() -> float:
    """Return the memory the process holds (MiB), or held at most where the system tells no more."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


# -- the run ---------------------------------------------------------------------------------------


def run(
    setting: str,
    datasets: int,
    seed: int,
    processes: int,
    sampler: Sampler = SAMPLER,
    attempts: tuple[int, ...] = ATTEMPTS,
) -> list[Refit]:
    """Simulate and refit data sets, in order; the draws do not depend on the number of processes."""
    work = partial(_one, setting, seed, sampler, attempts)
    if processes == 1:
        return [work(index) for index in range(datasets)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(work, range(datasets)))


def _one(setting: str, seed: int, sampler: Sampler, attempts: tuple[int, ...], index: int) -> Refit:
    return refit(*forward(setting, seed, index), sampler, attempts)


def tests(setting: str, refits: list[Refit]) -> pd.DataFrame:
    """Test the ranks of every quantity: exact p-values of the empirical distribution, and of Pearson's test."""
    found = ranks(refits)
    bins = 20 if len(found) >= 100 else 5
    return pd.DataFrame(
        {
            "setting": setting,
            "quantity": names(_model(setting)),
            "datasets": len(found),
            "mean_rank": found.mean(axis=0) / L,
            "p_ecdf": [p_value(column, L) for column in found.T],
            "p_chi_square": [chi_square(column, L, bins) for column in found.T],
        }
    )


def table(setting: str, refits: list[Refit]) -> pd.DataFrame:
    """Return the ranks, one row a data set, with what the sampler said."""
    kept = [(index, one) for index, one in enumerate(refits) if one.draws is not None]
    frame = pd.DataFrame(ranks(refits), columns=names(_model(setting)))
    frame.insert(0, "dataset", [index for index, _ in kept])
    return frame.assign(ess=[round(one.ess) for _, one in kept], divergences=[one.divergences for _, one in kept])


def cost(refits: list[Refit]) -> str:
    """Say how long a refit takes, what the memory does, and what the sampler complained of."""
    kept = [one for one in refits if one.draws is not None]
    seconds = np.array([one.seconds for one in kept])
    memory = np.array([one.mebibytes for one in kept])
    later = np.arange(len(kept)) >= len(kept) // 4  # after what is loaded at first use
    growth = np.polyfit(np.flatnonzero(later), memory[later], 1)[0] * 1000 if later.sum() > 2 else np.nan
    return (
        f"{len(kept)} refits, {len(refits) - len(kept)} failed; {np.median(seconds):.2f} s each (median), "
        f"{seconds.max():.1f} s at most; memory {memory.max():.0f} MiB at most, {growth:+.0f} MiB in 1,000 refits; "
        f"{sum(one.divergences > 0 for one in kept)} with divergences, "
        f"{sum(one.ess < ENOUGH for one in kept)} with ESS below {ENOUGH:.0f}"
    )


def draw(results: Mapping[str, list[Refit]]) -> Picture:
    """Draw the difference of the ranks' distribution from the uniform one, a panel a quantity, a row a setting."""
    columns = max(len(names(_model(setting))) for setting in results)
    caption = "Ranks of the truth among draws of the posterior: empirical less uniform distribution, 95 % bands"
    with new_figure(1.35 * columns, 1.35 * len(results) + 0.6, caption) as figure:
        grid = figure.subplots(len(results), columns, squeeze=False, sharex=True, sharey="row")
        for row, (setting, refits) in zip(grid, results.items(), strict=True):
            labels = names(_model(setting))
            for axes in row[len(labels) :]:
                axes.set_visible(False)
            for axes, label, column in zip(row, labels, ranks(refits).T, strict=False):
                _panel(axes, label, column)
            row[0].set_ylabel(f"{SETTINGS[setting].title}\n{len(ranks(refits))} data sets", fontsize=6.5)
        figure.supxlabel("rank of the truth, as a share of the draws", fontsize=8)
        figure.supylabel("empirical less uniform distribution", fontsize=8)
    return figure


def _panel(axes: Any, label: str, column: NDArray[np.int64]) -> None:
    n, share = len(column), np.arange(1, L + 1) / (L + 1)
    low, high = band(n, L)
    axes.fill_between(share, low / n - share, high / n - share, color=GREY, alpha=0.35, linewidth=0)
    bad = p_value(column, L) < 0.05
    axes.step(share, counts_below(column, L) / n - share, where="mid", color=INK if bad else COLOURS[0], linewidth=0.9)
    axes.axhline(0.0, color=INK, linewidth=0.4)
    axes.set_title(label, fontsize=6.5)
    axes.set_xticks([0, 0.5, 1], ["0", "½", "1"])
    axes.tick_params(labelsize=6)


def main() -> None:
    """Run the calibration from the command line."""
    parser = argparse.ArgumentParser(description="Simulation-based calibration of the sampler.")
    parser.add_argument("--datasets", type=int, default=500, help="data sets of each setting")
    parser.add_argument("--settings", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=2018)
    parser.add_argument("--backend", default="auto", choices=["auto", "density", "pymc"])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "calibration")
    given = parser.parse_args()
    sampler = replace(SAMPLER, backend=given.backend)
    given.out.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[Refit]] = {}
    summaries = []
    for setting in given.settings:
        results[setting] = run(setting, given.datasets, given.seed, given.processes, sampler)
        table(setting, results[setting]).to_csv(given.out / f"{setting}.csv", index=False)
        summaries.append(tests(setting, results[setting]))
        print(f"{setting}: {cost(results[setting])}\n{summaries[-1].to_string(index=False)}\n", flush=True)
    summary = pd.concat(summaries)
    summary.to_csv(given.out / "summary.csv", index=False, float_format="%.4g")
    draw(results).savefig(given.out / "calibration.png")
    print(f"the least p-value of {len(summary)}, times their number: {summary['p_ecdf'].min() * len(summary):.3g}")
    if failed := sum(one.draws is None for refits in results.values() for one in refits):
        sys.exit(f"{failed} refits failed: their ranks are missing, the others are not to be trusted")


if __name__ == "__main__":
    main()
