"""`run_pymc(graph, …)`: PyMC's own NUTS on its graph, for where nutpie does not work.

What samplers that PyMC runs have in common stands here too.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["STATISTICS", "in_numpy", "run_pymc", "starting_points"]

STATISTICS = {
    "energy": "energy",
    "diverging": "diverging",
    "tree_depth": "depth",
    "n_steps": "n_steps",
    "acceptance_rate": "mean_tree_accept",
    "step_size": "step_size",
}
"""PyMC's names of statistics, and nutpie's; the log density and the flag of the largest depth are had otherwise."""


def run_pymc(
    graph: "pm.Model",
    names: Sequence[str],
    starts: Mapping[str, Any],
    jittered: Collection[str],
    *,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    target_accept: float,
    max_treedepth: int,
    progress: bool,
) -> xr.DataTree:
    """Sample a graph, one chain after another; arguments and result as those of `run_numpyro`."""
    import pymc as pm

    trace = pm.sample(
        draws,
        tune=tune,
        chains=chains,
        cores=1,
        random_seed=seed,
        nuts_sampler="pymc",
        nuts={"target_accept": target_accept, "max_treedepth": max_treedepth},
        init="adapt_diag",
        initvals=starting_points(graph, starts, jittered, chains, seed),
        var_names=list(names),
        model=graph,
        progressbar=progress,
        quiet=not progress,
        compute_convergence_checks=False,
    )
    found = in_numpy(trace["sample_stats"].to_dataset())
    statistics = found[list(STATISTICS)].rename(STATISTICS)
    statistics["logp"] = found["lp"]
    statistics["maxdepth_reached"] = found["reached_max_treedepth"]
    posterior = in_numpy(trace["posterior"].to_dataset())
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics})


def in_numpy(values: xr.Dataset) -> xr.Dataset:
    """Return the variables as numpy arrays, which JAX's are not."""
    return values.copy(data={name: np.array(variable.data) for name, variable in values.data_vars.items()})


def starting_points(
    graph: "pm.Model", starts: Mapping[str, Any], jittered: Collection[str], chains: int, seed: int
) -> list[dict[str, Any]]:
    """Return where each chain starts, by unconstrained variable."""
    rng = np.random.default_rng(seed)
    moved = {graph.rvs_to_values[graph[name]].name for name in jittered}
    centre = {**graph.initial_point(), **starts}
    return [
        {
            name: value + rng.uniform(-1, 1, np.shape(value)) if name in moved else np.asarray(value, dtype=float)
            for name, value in centre.items()
        }
        for _ in range(chains)
    ]
