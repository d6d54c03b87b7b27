"""Rows and groups left out, by `loo` and `kfold`, beside fits to data from which they were removed.

uv run python benchmarks/left_out.py              # refits.csv
uv run python benchmarks/left_out.py --units 3    # to see that all works: leaves the file as it is
uv run python benchmarks/left_out.py --part cases # or folds: measures one of the two
"""

import argparse
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from arviz import mcse
from left_out_cases import CASES, SETTINGS, Case, fitted
from numpy.typing import NDArray

import bayesglmm as bg
from bayesglmm.comparison.left_out import log_predictive, with_weights
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Thinned

__all__ = ["Refitted", "beside_folds", "beside_loo", "keep_lines", "removed"]

type Array = NDArray[np.float64]

FILE = Path(__file__).with_name("refits.csv")

FITS = 4  # fits of all rows, of different seeds: how much `loo` varies with the draws
FOLDS = 5

REPEATS, UNSURE = 6, 0.1
"""Fits without a unit where the Monte Carlo error of the first is above the second: the mean of its density hangs on
few draws then, and the error by one fit is skewed and its estimate too small (seizure patient 25, period 3: 0.3 to 0.9,
between fits 0.9). Refits that `loo` made of such units are repeated with other seeds too."""

FOLD_REPEATS = 4
"""Fits without each fold, whose units' errors depend on each other."""


@dataclass(frozen=True, eq=False)
class Refitted:
    """The log predictive densities of units, by fits to data from which they were removed.

    Parameters
    ----------
    values
        (u,) one a unit, averaged over fits.
    variances
        (u,) the Monte Carlo variance of each by a single fit.
    of_sum
        That of their sum: units that one fit predicts together vary together with its draws.
    fits
        (u,) how many fits were averaged.
    """

    values: Array
    variances: Array
    of_sum: float
    fits: NDArray[np.int64]

    @property
    def errors(self) -> Array:
        """The Monte Carlo standard errors of the values, (u,)."""
        return np.sqrt(self.variances / self.fits)


def unit_of_rows(fit: bg.Fit, unit: str) -> NDArray[np.int64]:
    """Return the number of the unit of each row, (n,)."""
    return np.arange(fit.model.design.n) if unit == "row" else np.asarray(fit.model.design.blocks[0].index)


def removed(
    case: Case, fit: bg.Fit, data: pd.DataFrame, gone: NDArray[np.bool_], unit: str, seed: int, **settings: Any
) -> Refitted:
    """Return the log predictive densities of units that are removed from the data together, by a fit to the rest.

    The density of a unit is the mean of its density over the draws; the error is that of the mean, relative to it.
    """
    others = fitted(case, data[~gone].reset_index(drop=True), seed, **settings)
    draws = xr.DataTree.from_dict({"posterior": _with_all_groups(fit.model, others, seed)})
    scored = Thinned(with_weights(fit.model, gone.astype(float)), draws, 1)
    values = _log_densities(scored, unit)[..., np.unique(unit_of_rows(fit, unit)[gone])]
    largest = values.max(("chain", "draw"))
    mean = np.exp(values - largest).mean(("chain", "draw"))
    relative = np.exp(values - largest) / mean
    variances = np.square(mcse(relative, method="mean").values)
    of_sum = float(mcse(relative.sum(relative.dims[-1]), method="mean")) ** 2
    return Refitted((np.log(mean) + largest).values, variances, of_sum, np.ones(len(variances), dtype=np.int64))


def _log_densities(fit: Any, unit: str) -> xr.DataArray:
    """Return the log density of each unit at each draw, of groups with their random effects integrated out."""
    return log_likelihood(fit) if unit == "row" else group_log_likelihood(fit, unit)


def inside(fit: bg.Fit, unit: str) -> Array:
    """Return the log predictive density of each unit by the fit that it is part of, (u,)."""
    values = _log_densities(fit, unit)
    largest = values.max(("chain", "draw"))
    return np.asarray((np.log(np.exp(values - largest).mean(("chain", "draw"))) + largest).values)


def averaged(parts: Sequence[Refitted]) -> Refitted:
    """Return the means over fits without the same units, and variances between these fits.

    Averages are of log densities, as single fits give them: their logarithm's own bias is the same on both sides.
    """
    values = np.array([part.values for part in parts])
    fits = np.full(values.shape[1], len(parts))
    return Refitted(values.mean(axis=0), values.var(axis=0, ddof=1), float(values.sum(axis=1).var(ddof=1)), fits)


def joined(parts: Sequence[Refitted]) -> Refitted:
    """Return the units of independent fits, one after the other."""
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("values", "variances", "fits")]
    return Refitted(columns[0], columns[1], sum(part.of_sum for part in parts), columns[2])


def _with_all_groups(model: bg.Model, others: bg.Fit, seed: int) -> xr.Dataset:
    """Return draws of a fit to fewer rows, with the effects of groups that have none left drawn from N(0, G)."""
    posterior, rng = others.posterior, np.random.default_rng(seed)
    for block, fewer in zip(model.design.blocks, others.model.design.blocks, strict=True):
        root = np.linalg.cholesky(Draws(posterior, others.model.design).covariance(fewer))
        normal = rng.normal(size=(len(root), len(block.levels), block.size))
        name = f"b_{block.name}"
        whole = posterior[name].reindex({block.name: list(block.levels)})
        new = np.einsum("scd,smd->smc", root, normal).reshape(whole.shape)
        posterior = posterior.drop_dims(block.name).assign({name: whole.fillna(new)})
    return posterior


def _sampled(pareto_k: Array, units: int, seed: int) -> NDArray[np.int64]:
    """Return the numbers of some units: a third of the largest k, the others at random."""
    worst = np.argsort(-pareto_k, kind="stable")[: units // 3]
    rest = np.setdiff1d(np.arange(len(pareto_k)), worst)
    others = np.random.default_rng(seed).choice(rest, min(units - len(worst), len(rest)), replace=False)
    return np.concatenate([worst, others])


def _without(
    case: Case,
    fit: bg.Fit,
    data: pd.DataFrame,
    index: NDArray[np.int64],
    one: int,
    unit: str,
    seed: int,
    settings: Mapping[str, Any],
) -> Refitted:
    """Fit without a unit, several times if the first is unsure."""
    seeds = [100_000 * i + 1000 * seed + one for i in range(REPEATS)]
    first = removed(case, fit, data, index == one, unit, seeds[0], **settings)
    if first.errors[0] <= UNSURE:
        return first
    return averaged([first, *(removed(case, fit, data, index == one, unit, each, **settings) for each in seeds[1:])])


def _repeated(
    fit: bg.Fit, gone: NDArray[np.bool_], unit: str, value: float, seed: int, settings: Mapping[str, Any]
) -> tuple[float, float]:
    """Return the mean of a value by a refit of `loo` and by further ones, and the variance of the mean."""

    def by(other: int) -> float:
        def refit(model: bg.Model) -> bg.Fit:
            return model.fit(seed=other, progress=False, **{**SETTINGS, **settings})

        return float(log_predictive(fit, refit, gone, None if unit == "row" else unit)[0])

    values = [value, *(by(10_000 * i + seed) for i in range(1, REPEATS))]
    return float(np.mean(values)), float(np.var(values, ddof=1) / REPEATS)


def beside_loo(name: str, unit: str, units: int, seed: int = 1, **settings: Any) -> dict[str, Any]:
    """Compare `loo` with fits to data without each of some units."""
    case, start = CASES[name], time.perf_counter()
    data = case.load()
    fits = [fitted(case, data, seed + i, **settings) for i in range(FITS)]
    weighted = [each.loo(unit, exact=False) for each in fits]
    found = fits[0].loo(unit)
    chosen = _sampled(weighted[0].pareto_k.values, units, seed)
    index = unit_of_rows(fits[0], unit)
    exact = joined([_without(case, fits[0], data, index, int(one), unit, seed, settings) for one in chosen])
    again = np.isin(found.pareto_k[found.pareto_k.dims[0]].values[chosen], found.refitted)
    values = np.array([one.pointwise.values[chosen] for one in weighted])
    variances = np.where(again, exact.variances, values.var(axis=0, ddof=1))
    ours = found.pointwise.values[chosen].copy()
    for place in np.flatnonzero(again & (exact.fits > 1)):
        ours[place], variances[place] = _repeated(fits[0], index == chosen[place], unit, ours[place], seed, settings)
    of_sum = values[:, ~again].sum(axis=1).var(ddof=1) + variances[again].sum()
    return {
        "study": name,
        "family": case.family,
        "unit": unit,
        "units": len(found.pointwise),
        "k_above": len(weighted[0].unreliable),
        "elpd_before": weighted[0].elpd,
        "elpd": found.elpd,
        "se": found.se,
        "refits_by_loo": len(found.refitted),
        **differences(ours, variances, of_sum, exact),
        "rms_inside": _rms(inside(fits[0], unit)[chosen] - exact.values),
        "repeated": int((exact.fits > 1).sum()),
        "largest_single": np.abs(found.pointwise.values[chosen] - exact.values).max(),
        "largest_before": np.abs(weighted[0].pointwise.values[chosen] - exact.values).max(),
        "seconds": time.perf_counter() - start,
    }


def beside_folds(name: str, by: str | None, seed: int = 1, **settings: Any) -> dict[str, Any]:
    """Compare `kfold` with fits to data without the rows of each fold."""
    case, unit, start = CASES[name], by or "row", time.perf_counter()
    data = case.load()
    fit = fitted(case, data, seed, **settings)
    found = fit.kfold(FOLDS, by=by, seed=seed)
    total, index = len(found.pointwise), unit_of_rows(fit, unit)
    part = np.random.default_rng(seed).permutation(total) % FOLDS  # as `kfold` does
    fitted_without = []
    for number in range(FOLDS):
        gone, seeds = (part == number)[index], [1000 * i + 100 * seed + number for i in range(FOLD_REPEATS)]
        fitted_without.append(averaged([removed(case, fit, data, gone, unit, each, **settings) for each in seeds]))
    exact = joined(fitted_without)
    order = np.argsort(part, kind="stable")
    return {
        "study": name,
        "family": case.family,
        "unit": f"{FOLDS} folds of {unit}",
        "units": total,
        "elpd": found.elpd,
        "se": found.se,
        **differences(found.pointwise.values[order], exact.variances, exact.of_sum, exact),
        "rms_inside": _rms(inside(fit, unit)[order] - exact.values),
        "repeated": total,
        "seconds": time.perf_counter() - start,
    }


def differences(values: Array, variances: Array, of_sum: float, exact: Refitted) -> dict[str, float]:
    """Compare the package's values (u,), of Monte Carlo variances (u,) and `of_sum` in all, with those of refits.

    Differences by Monte Carlo error alone have a root mean square near `rms_monte_carlo`, and a sum whose standard
    deviation is near `error`. Beside them `rms_inside` is of units that were not left out at all.
    """
    apart, both = values - exact.values, variances + np.square(exact.errors)
    of_exact = exact.of_sum / exact.fits[0] if len(set(exact.fits)) == 1 else np.square(exact.errors).sum()
    return {
        "units_refitted": len(values),
        "elpd_of_these": values.sum(),
        "elpd_exact": exact.values.sum(),
        "error": np.sqrt(of_sum + of_exact),
        "largest": np.abs(apart).max(),
        "largest_error": np.sqrt(both[np.abs(apart).argmax()]),
        "rms": _rms(apart),
        "rms_monte_carlo": np.sqrt(np.mean(both)),
    }


def _rms(values: Array) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def cases(studies: Sequence[str], units: int, seed: int) -> Iterator[dict[str, Any]]:
    """Leave out rows and groups of each study."""
    for name in studies:
        for unit in ("row", CASES[name].factor):
            yield beside_loo(name, unit, units, seed)


def folds(seed: int) -> Iterator[dict[str, Any]]:
    """Leave out folds of two studies."""
    for name in ("cbpp", "sleepstudy"):
        for by in (None, CASES[name].factor):
            yield beside_folds(name, by, seed, draws=1000)


def keep_lines(lines: Iterator[dict[str, Any]], file: Path, keys: list[str], *, keep: bool = True) -> None:
    """Print each line as soon as it is there, and put it in the place of its like in the file."""
    for line in lines:
        print(line, flush=True)
        if keep:
            new = pd.DataFrame([line]).round(4)
            if file.is_file():
                old = pd.read_csv(file)
                same = (old[keys] == new[keys].iloc[0]).all(axis=1)
                new = pd.concat([old[~same], new], ignore_index=True)
            new.to_csv(file, index=False)


def main() -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=9)
    parser.add_argument("--studies", nargs="+", choices=list(CASES), default=list(CASES), help="whose cases to measure")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("cases", "folds"))
    given = parser.parse_args()
    keep = given.units == parser.get_default("units")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", bg.BayesGLMMWarning)
        if given.part in {None, "cases"}:
            keep_lines(cases(given.studies, given.units, given.seed), FILE, ["study", "unit"], keep=keep)
        if given.part in {None, "folds"}:
            keep_lines(folds(given.seed), FILE, ["study", "unit"], keep=keep)


if __name__ == "__main__":
    main()
