"""Fits made by hand: a real model, draws from a random generator, no sampler."""

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from bayesglmm.fitted import Fit
from bayesglmm.specify.model import Model, glmm
from bayesglmm.specify.variables import pair_names

SEIZURE = "count ~ trt*time + offset(log(weeks)) + (1 + time | id)"


def hand_made(model: Model, *, chains: int = 4, draws: int = 500, seed: int = 1, broken: bool = False) -> Fit:
    """Draw every parameter independently; `broken` moves a chain, and has divergences."""
    rng = np.random.default_rng(seed)
    lead, sizes = ("chain", "draw"), (chains, draws)
    design = model.design
    p = len(design.coef)
    values: dict[str, Any] = {"beta": ((*lead, "coef"), np.linspace(0.5, -0.4, p) + 0.2 * rng.normal(size=(*sizes, p)))}
    coords: dict[str, Any] = {"chain": np.arange(chains), "draw": np.arange(draws), "coef": list(design.coef)}
    for block in design.blocks:
        name, k, m = block.name, block.size, len(block.levels)
        coords |= {name: list(block.levels), f"{name}_coef": list(block.columns)}
        values[f"sd_{name}"] = ((*lead, f"{name}_coef"), 0.5 + 0.1 * rng.random((*sizes, k)))
        values[f"b_{name}"] = (
            (*lead, name, f"{name}_coef"),
            rng.normal(size=(m, k)) + 0.3 * rng.normal(size=(*sizes, m, k)),
        )
        if block.correlated:
            coords[f"{name}_pair"] = list(pair_names(block))
            values[f"corr_{name}"] = ((*lead, f"{name}_pair"), rng.uniform(-0.4, 0.6, (*sizes, k * (k - 1) // 2)))
    for parameter in model.family.parameters:
        values[parameter.name] = (lead, 1 + rng.random(sizes))
    if broken:
        values["beta"][1][0] += 3.0
    statistics = {
        "lp": (lead, rng.normal(size=sizes)),
        "energy": (lead, rng.normal(size=sizes)),
        "diverging": (lead, (rng.random(sizes) < 0.01) & broken),
        "reached_max_treedepth": (lead, np.zeros(sizes, dtype=bool)),
    }
    tree = xr.DataTree.from_dict({"posterior": xr.Dataset(values, coords), "sample_stats": xr.Dataset(statistics)})
    tree.attrs = {"draws": draws, "warm_up": 500, "chains": chains, "seed": seed, "backend": "by hand"}
    tree.attrs |= {"versions": "Python 3, bayesglmm 0.0.1", "seconds_preparing": 0.25, "seconds_sampling": 1.75}
    return Fit(model, tree)


def at(fit: Fit, **values: object) -> Fit:
    """Return the fit with variables of its posterior set to the same value in every draw."""
    posterior = fit.posterior
    for name, value in values.items():
        same = xr.DataArray(np.asarray(value), dims=posterior[name].dims[2:])
        posterior[name] = xr.zeros_like(posterior[name]) + same
    return Fit(fit.model, xr.DataTree.from_dict({"posterior": posterior}))


def seizure_like(groups: int = 12, seed: int = 3) -> pd.DataFrame:
    """Make counts in five periods of several groups, with exposures, an arm, a factor and a covariate."""
    rng = np.random.default_rng(seed)
    ids = np.repeat(np.arange(1, groups + 1), 5)
    time = np.tile([0, 1, 1, 1, 1], groups)
    return pd.DataFrame(
        {
            "id": ids,
            "trt": (ids % 2),
            "time": time,
            "weeks": np.where(time == 0, 8, 2),
            "age": rng.integers(18, 60, groups)[ids - 1],
            "severity": np.array(["Mild", "Severe", "Moderate"])[ids % 3],
            "count": rng.poisson(4 + 3 * time),
            "event": rng.integers(0, 2, len(ids)),
            "size": 20,
        }
    )


def seizure_fit(groups: int = 12, **options: Any) -> Fit:
    """Return the seizure model on made data, with draws by hand."""
    return hand_made(glmm(SEIZURE, seizure_like(groups), "poisson"), **options)
