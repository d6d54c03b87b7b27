"""`run_pymc(graph, sampler)`: PyMC's own NUTS on its graph, for where nutpie does not work.

`relabelled` ends this and NumPyro's run alike.
"""

import numpy as np
import xarray as xr

from bayesglmm.sample.graph import Graph
from bayesglmm.sample.labelling import STATISTICS
from bayesglmm.sample.settings import Sampler

__all__ = ["relabelled", "run_pymc"]


def run_pymc(graph: Graph, sampler: Sampler, *, progress: bool) -> xr.DataTree:
    """Sample a graph, one chain after another.

    Parameters
    ----------
    graph
        The graph.
    sampler
        The settings, with a seed and a warm-up.
    progress
        Whether to show a progress bar.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` and `sample_stats`.
    """
    import pymc as pm

    trace = pm.sample(
        sampler.draws,
        tune=sampler.tune,
        chains=sampler.chains,
        cores=1,
        random_seed=sampler.seed,
        nuts_sampler="pymc",
        nuts={"target_accept": sampler.target_accept, "max_treedepth": sampler.max_treedepth},
        init="adapt_diag",
        initvals=graph.starting_points(sampler),
        var_names=list(graph.names),
        model=graph.model,
        progressbar=progress,
        quiet=not progress,
        compute_convergence_checks=False,
    )
    return relabelled(trace, trace["sample_stats"].to_dataset())


def relabelled(trace: xr.DataTree, statistics: xr.Dataset) -> xr.DataTree:
    """Return the posterior of a trace and the statistics that are kept, as numpy arrays, which JAX's are not."""
    posterior = trace["posterior"].to_dataset()
    return xr.DataTree.from_dict(
        {"posterior": _in_numpy(posterior), "sample_stats": _in_numpy(statistics[list(STATISTICS)])}
    )


def _in_numpy(values: xr.Dataset) -> xr.Dataset:
    return values.copy(data={name: np.array(variable.data) for name, variable in values.data_vars.items()})
