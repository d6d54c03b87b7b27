"""Simulation-based calibration: simulate data from the prior, refit, see that the truth has no preferred rank.

    uv run python benchmarks/calibration.py --datasets 500

If parameters are drawn from the prior and data given them, the rank of the truth among independent draws of the
posterior is uniform, for every parameter and for every function of parameters and data. The log likelihood is one:
a sampler that ignores the data and returns the prior passes for every parameter, and fails there.

All follows from one seed, on any number of processes.

References
----------
Talts, Betancourt, Simpson, Vehtari & Gelman (2018), arXiv:1804.06788.
Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman & Vehtari (2025), Bayesian Analysis 20, 461-488.
"""

import argparse
import multiprocessing
import resource
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import arviz as az
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from simulation import SETTINGS, Values, built, forward, names, quantities
from uniformity import band, chi_square, counts_below, p_value

from bayesglmm.errors import BayesGLMMError
from bayesglmm.plots.style import BAD, COLOURS, GREY, INK, Picture, new_figure
from bayesglmm.sample.sampling import sample
from bayesglmm.sample.settings import Sampler
from bayesglmm.specify.model import Model

__all__ = ["Refit", "ranks", "refit", "run", "tests"]

type Array = NDArray[np.float64]

L = 99
"""Draws that a truth is ranked among: 100 ranks, which many numbers of bins divide."""

SAMPLER = Sampler(draws=500, chains=2, cores=1)
ENOUGH = 200.0
"""The least ESS of any quantity before draws are thinned to L; where it is less, more draws are made."""

ATTEMPTS = (1, 4)
"""How many times the draws, at the first attempt and the later ones."""


FAILURES = (BayesGLMMError, ArithmeticError, np.linalg.LinAlgError)
"""What a refit may end with; it is counted, and said aloud, since leaving it out biases the ranks."""


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
    r_hat
        The largest R-hat of a quantity.
    seconds
        The time it took, of all attempts.
    mebibytes
        The memory that the process holds afterwards.
    """

    truth: Array
    draws: Array | None
    ess: float = np.nan
    divergences: int = 0
    r_hat: float = np.nan
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
            posterior = {str(name): values.values for name, values in tree["posterior"].data_vars.items()}
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
    r_hat = float(np.max(az.rhat(found, chain_axis=0, draw_axis=1)))
    return Refit(wanted, kept, ess, divergences, r_hat, time.perf_counter() - start, _resident())


def ranks(refits: list[Refit]) -> NDArray[np.int64]:
    """Return how many draws lie below the truth, (n, k) from 0 to L, of the refits that did not fail."""
    return np.array([(one.draws < one.truth).sum(axis=0) for one in refits if one.draws is not None])


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
            "quantity": names(built(setting)),
            "datasets": len(found),
            "mean_rank": found.mean(axis=0) / L,
            "p_ecdf": [p_value(column, L) for column in found.T],
            "p_chi_square": [chi_square(column, L, bins) for column in found.T],
        }
    )


def table(setting: str, refits: list[Refit]) -> pd.DataFrame:
    """Return the ranks, one row a data set, with what the sampler said."""
    kept = [(index, one) for index, one in enumerate(refits) if one.draws is not None]
    frame = pd.DataFrame(ranks(refits), columns=names(built(setting)))
    frame.insert(0, "dataset", [index for index, _ in kept])
    return frame.assign(
        ess=[round(one.ess) for _, one in kept],
        divergences=[one.divergences for _, one in kept],
        r_hat=[round(one.r_hat, 4) for _, one in kept],
    )


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
        f"{sum(one.r_hat > 1.01 for one in kept)} with an R-hat above 1.01, "
        f"{sum(one.ess < ENOUGH for one in kept)} with ESS below {ENOUGH:.0f}"
    )


def draw(results: Mapping[str, list[Refit]]) -> Picture:
    """Draw the difference of the ranks' distribution from the uniform one, a panel a quantity, a row a setting.

    A line that leaves its band is red and heavy; one in twenty does.
    """
    columns = max(len(names(built(setting))) for setting in results)
    caption = "Ranks of the truth among draws of the posterior: empirical less uniform distribution, 95 % bands"
    with new_figure(1.35 * columns, 1.35 * len(results) + 0.6, caption) as figure:
        grid = figure.subplots(len(results), columns, squeeze=False, sharex=True, sharey="row")
        for row, (setting, refits) in zip(grid, results.items(), strict=True):
            labels = names(built(setting))
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
    colour, width = (BAD, 1.6) if p_value(column, L) < 0.05 else (COLOURS[0], 0.9)
    axes.step(share, counts_below(column, L) / n - share, where="mid", color=colour, linewidth=width)
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
