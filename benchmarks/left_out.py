"""Rows and groups left out, by `fit.loo` and `fit.kfold`, beside a fit without each: one line a study and unit.

uv run python benchmarks/left_out.py                    # left_out.csv and its table in README.md: about an hour
uv run python benchmarks/left_out.py --quick            # to see that all works: leaves file and page as they are
uv run python benchmarks/left_out.py --studies cbpp     # measures some again, and keeps the other lines

A unit is left out by the weight 0, or its rows are removed from the data; priors stay those of the whole data, and each
fit has a seed of its own.
"""

import argparse
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import xarray as xr
from arviz import mcse
from numpy.typing import NDArray
from tables import table, write

import bayesglmm as bg
from bayesglmm.comparison.left_out import with_weights
from bayesglmm.marginalize.group_likelihood import group_log_likelihood
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Thinned

__all__ = ["CASES", "Case", "Refits", "beside_folds", "beside_loo", "refits"]

type Array = NDArray[np.float64]

type Way = Literal["weight 0", "removed"]

FILE = Path(__file__).with_name("left_out.csv")
_FOLDS = 5
_SEED = 1

SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"


@dataclass(frozen=True)
class Case:
    """A model on a shipped data set.

    Parameters
    ----------
    study, formula, family
        As in `bayesglmm.fit`; priors are the defaults.
    factor
        The grouping factor whose levels are left out.
    most
        The most units of a kind that are refitted; a random sample where there are more.
    ways
        How units are left out; of folds, the rows are always removed.
    fits
        How many fits of all rows, of different seeds, say how much `fit.loo` varies with the draws.
    """

    study: str
    formula: str
    family: str
    factor: str
    most: int = 1000
    ways: tuple[Way, ...] = ("weight 0",)
    fits: int = 4

    def model(self) -> bg.Model:
        """Return the model of all rows."""
        return bg.glmm(self.formula, bg.datasets.load(self.study), self.family)


BOTH: tuple[Way, ...] = ("weight 0", "removed")

CASES = {
    "seizure, Poisson": Case("seizure", SEIZURE, "poisson", "id"),
    "seizure, negative binomial": Case("seizure", SEIZURE, "negative_binomial", "id"),
    "toenail, intercepts": Case("toenail", "outcome ~ month*treatment + (1 | id)", "bernoulli", "id", 60),
    "toenail, slopes": Case("toenail", "outcome ~ month*treatment + (1 + month | id)", "bernoulli", "id", 60, fits=2),
    "cbpp": Case("cbpp", "p(incidence, size) ~ C(period) + (1 | herd)", "binomial", "herd", ways=BOTH),
    "sleepstudy": Case("sleepstudy", "Reaction ~ Days + (1 + Days | Subject)", "gaussian", "Subject", ways=BOTH),
    "culcita": Case("culcita", "predation ~ C(ttt) + (1 | block)", "bernoulli", "block", ways=BOTH),
    "crossover": Case("crossover", "outcome ~ trt*period + (1 | id)", "bernoulli", "id"),
    "asthma": Case(
        "asthma", 'control ~ C(treat, Treatment("Usual"))*weeks + severity + (1 | id)', "bernoulli", "id", 60
    ),
}


@dataclass(frozen=True, eq=False)
class Refits:
    """Units left out by fits without them.

    Parameters
    ----------
    units
        (u,) the numbers of the units.
    log_density
        (u,) the log predictive density of each.
    error
        (u,) its Monte Carlo standard error.
    """

    units: NDArray[np.int64]
    log_density: Array
    error: Array


def refits(model: bg.Model, unit: str, units: NDArray[np.int64], way: Way, **settings: Any) -> Refits:
    """Fit without each of some units, and predict it."""
    index = unit_of_rows(model, unit)
    found = [left_out(model, index == each, unit, way, seed=1000 + int(each), **settings) for each in units]
    return Refits(units, *(np.concatenate(column) for column in zip(*found, strict=True)))


def unit_of_rows(model: bg.Model, unit: str) -> NDArray[np.int64]:
    """Return the number of the unit of each row, (n,)."""
    return np.arange(model.design.n) if unit == "row" else model.design.blocks[0].index


def left_out(
    model: bg.Model, gone: NDArray[np.bool_], unit: str, way: Way, *, seed: int, **settings: Any
) -> tuple[Array, Array]:
    """Return the log predictive densities of units left out together, and their Monte Carlo standard errors.

    The density of a unit is the mean of its density over the draws; the error is that of the mean, relative to it.
    """
    weights = model.design.outcome.weights_or_ones  # type: ignore[union-attr]
    if way == "weight 0":
        others = with_weights(model, np.where(gone, 0.0, weights))
    else:
        others = replace(bg.glmm(model.formula, model.data[~gone], model.family), priors=model.priors)
    draws = others.fit(seed=seed, progress=False, **settings).draws
    if way == "removed":
        draws = xr.DataTree.from_dict({"posterior": _with_all_groups(model, others, draws, seed)})
    scored = Thinned(with_weights(model, np.where(gone, weights, 0.0)), draws, 1)
    if unit == "row":
        values = log_likelihood(scored)[..., gone]
    else:
        values = group_log_likelihood(scored, unit)[..., np.unique(unit_of_rows(model, unit)[gone])]
    largest = values.max(("chain", "draw"))
    density = np.exp(values - largest)
    mean = density.mean(("chain", "draw"))
    return (np.log(mean) + largest).values, (mcse(density, method="mean") / mean).values


def _with_all_groups(model: bg.Model, others: bg.Model, draws: xr.DataTree, seed: int) -> xr.Dataset:
    """Return draws with the effects of groups of which no row was left, drawn from N(0, G)."""
    posterior = draws["posterior"].to_dataset()
    assert model.design.coef == others.design.coef
    rng = np.random.default_rng(seed)
    for block, fewer in zip(model.design.blocks, others.design.blocks, strict=True):
        root = np.linalg.cholesky(Draws(posterior, others.design).covariance(fewer))
        normal = rng.normal(size=(len(root), len(block.levels), block.size))
        name = f"b_{block.name}"
        whole = posterior[name].reindex({block.name: list(block.levels)})
        new = np.einsum("scd,smd->smc", root, normal).reshape(whole.shape)
        posterior = posterior.drop_dims(block.name).assign({name: whole.fillna(new)})
    return posterior


def beside_loo(case: Case, unit: str, **settings: Any) -> Iterator[dict[str, Any]]:
    """Compare `fit.loo(unit)` with fits without each unit, or each of a sample of them; a line a way."""
    model = case.model()
    start = time.perf_counter()
    fits = [model.fit(seed=_SEED + i, progress=False, **settings) for i in range(case.fits)]
    weighted = [fit.loo(unit, exact=False) for fit in fits]
    found = [fit.loo(unit) for fit in fits]
    first, size = found[0], len(found[0].pointwise)
    units = np.arange(size)
    if size > case.most:
        units = np.sort(np.random.default_rng(_SEED).choice(size, case.most, replace=False))
    values = np.array([each.pointwise.values[units] for each in found])
    for way in case.ways:
        exact = refits(model, unit, units, way, **settings)
        yield {
            "unit": unit,
            "units": size,
            "k above 0.7": len(weighted[0].unreliable),
            "integrated": len(first.integrated),
            "refitted": len(first.refitted),
            "unreliable": len(first.unreliable),
            "elpd, weights": weighted[0].elpd,
            "elpd": first.elpd,
            "se": first.se,
            "left out by": way,
            "fits": len(units),
            **_differences(values, exact),
            "largest, weights": np.abs(weighted[0].pointwise.values[units] - exact.log_density).max(),
            "seconds": time.perf_counter() - start,
        }


def beside_folds(case: Case, by: str | None, **settings: Any) -> dict[str, Any]:
    """Compare `fit.kfold` with fits to the data without the rows of each fold."""
    model, unit = case.model(), by or "row"
    start = time.perf_counter()
    found = model.fit(seed=_SEED, progress=False, **settings).kfold(_FOLDS, by=by, seed=_SEED)
    size, index = len(found.pointwise), unit_of_rows(model, unit)
    part = np.random.default_rng(_SEED).permutation(size) % _FOLDS  # as `kfold` does
    values, errors = np.empty(size), np.empty(size)
    for number in range(_FOLDS):
        gone = (part == number)[index]
        of_fold = left_out(model, gone, unit, "removed", seed=1000 + number, **settings)
        values[part == number], errors[part == number] = of_fold
    exact = Refits(np.arange(size), values, errors)
    return {
        "unit": f"{_FOLDS} folds, {unit}",
        "units": size,
        "elpd": found.elpd,
        "se": found.se,
        "left out by": "removed",
        "fits": _FOLDS,
        **_differences(found.pointwise.values[None], exact),
        "seconds": time.perf_counter() - start,
    }


def _differences(values: Array, exact: Refits) -> dict[str, float]:
    """Compare the package's values (f, u) by fits of several seeds, the first of which counts, with refits.

    What differs by Monte Carlo error alone has a root mean square near `rms by Monte Carlo`. Of a single row of values,
    which are those of refits too, the errors are taken to be those of the refits.
    """
    differences = values[0] - exact.log_density
    squares = values.var(axis=0, ddof=1) if len(values) > 1 else np.square(exact.error)
    total = values.sum(axis=1).var(ddof=1) if len(values) > 1 else np.square(exact.error).sum()
    return {
        "elpd of these": values[0].sum(),
        "by fits": exact.log_density.sum(),
        "error": np.sqrt(total + np.square(exact.error).sum()),
        "largest": np.abs(differences).max(),
        "rms": np.sqrt(np.mean(np.square(differences))),
        "rms by Monte Carlo": np.sqrt(np.mean(squares + np.square(exact.error))),
    }


_NUMBERS: dict[str, str] = {
    **dict.fromkeys(("units", "k above 0.7", "integrated", "refitted", "unreliable", "fits"), "{:,.0f}"),
    **dict.fromkeys(("elpd, weights", "elpd", "se"), "{:.1f}"),
    **dict.fromkeys(("elpd of these", "by fits", "error"), "{:.2f}"),
    **dict.fromkeys(("largest, weights", "largest", "rms", "rms by Monte Carlo"), "{:.3f}"),
}
"""The columns of the page after the names, with their formats."""


def page(lines: pd.DataFrame) -> str:
    """Return the table of the page."""
    names = ["study", "unit", "left out by"]
    body = [
        [*(str(line[name]) for name in names), *(_cell(line[name], form) for name, form in _NUMBERS.items())]
        for _, line in lines.iterrows()
    ]
    return table([*names, *_NUMBERS], body)


def _cell(value: float, form: str) -> str:
    return "–" if pd.isna(value) else form.format(value)


def measured(name: str, case: Case, **settings: Any) -> Iterator[dict[str, Any]]:
    """Measure one study: rows, groups, and folds of both."""
    for unit in ("row", case.factor):
        for line in beside_loo(case, unit, **settings):
            yield {"study": name, **line}
        yield {"study": name, **beside_folds(case, None if unit == "row" else unit, **settings)}


def main() -> None:
    """Measure, keep each line as soon as it is there, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--quick", action="store_true", help="two units of each kind, short chains")
    given = parser.parse_args()
    lines = pd.read_csv(FILE) if FILE.is_file() and not given.quick else pd.DataFrame({"study": []})
    for name in given.studies:
        case = replace(CASES[name], most=2, fits=2) if given.quick else CASES[name]
        lines = lines[lines["study"] != name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", bg.BayesGLMMWarning)
            for line in measured(name, case, **({"draws": 100} if given.quick else {})):
                lines = pd.concat([lines, pd.DataFrame([line])], ignore_index=True)
                print(line, flush=True)
                if not given.quick:
                    lines.round(4).to_csv(FILE, index=False)
    lines = lines.sort_values("study", key=lambda names: names.map(list(CASES).index), kind="stable")
    print(page(lines))
    if not given.quick:
        lines.round(4).to_csv(FILE, index=False)
        write(Path(__file__).with_name("README.md"), page(lines), "left out")


if __name__ == "__main__":
    main()
