"""`run_numpyro(graph, sampler)`: NUTS of NumPyro on a PyMC graph, compiled by JAX, in double precision.

References
----------
Phan, Pradhan & Jankowiak (2019), arXiv:1912.11554.
"""

from importlib.util import find_spec

import xarray as xr

from bayesglmm.errors import OptionError, listing
from bayesglmm.sample.graph import Graph
from bayesglmm.sample.pymc_nuts import relabelled
from bayesglmm.sample.settings import Sampler

__all__ = ["require_numpyro", "run_numpyro"]


def require_numpyro() -> None:
    """Check that the packages are installed.

    Raises
    ------
    OptionError
        Naming those that are not, and what to install.
    """
    absent = [name for name in ("jax", "numpyro") if find_spec(name) is None]
    if absent:
        raise OptionError(
            f'backend="numpyro" needs {listing(absent)}, which {"is" if len(absent) == 1 else "are"} not installed; '
            'install bayesglmm[numpyro], or leave the backend at "auto", which gives the same posterior'
        )


def run_numpyro(graph: Graph, sampler: Sampler, *, progress: bool) -> xr.DataTree:
    """Sample a graph; all chains run at once on one device, so the draws depend on the seed alone.

    Arguments and result as those of `bayesglmm.sample.pymc_nuts.run_pymc`.
    """
    import jax
    from pymc.sampling.jax import sample_numpyro_nuts

    with jax.enable_x64(True):
        trace = sample_numpyro_nuts(
            sampler.draws,
            tune=sampler.tune,
            chains=sampler.chains,
            target_accept=sampler.target_accept,
            random_seed=sampler.seed,
            initvals=graph.starting_points(sampler),
            jitter=False,
            model=graph.model,
            var_names=list(graph.names),
            nuts_kwargs={"max_tree_depth": sampler.max_treedepth},
            progressbar=progress,
            chain_method="vectorized",
            compute_convergence_checks=False,
        )
    statistics = trace["sample_stats"].to_dataset()
    potential_energy, deepest = statistics["lp"], statistics["n_steps"] >= 2**sampler.max_treedepth - 1
    return relabelled(trace, statistics.assign(lp=-potential_energy, reached_max_treedepth=deepest))
