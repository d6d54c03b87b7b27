"""`run_numpyro(graph, …)`: NUTS of NumPyro on a PyMC graph, compiled by JAX, in double precision.

References
----------
Phan, Pradhan & Jankowiak (2019), arXiv:1912.11554.
"""

from collections.abc import Collection, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import xarray as xr

from bayesglmm.errors import OptionError, listing
from bayesglmm.sample.pymc_nuts import STATISTICS, in_numpy, starting_points

if TYPE_CHECKING:
    import pymc as pm

__all__ = ["require_numpyro", "run_numpyro"]


def require_numpyro() -> None:
    """See that the packages are there.

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


def run_numpyro(
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
    """Sample a graph; all chains run at once on one device, so the draws depend on the seed alone.

    Parameters
    ----------
    graph
        The model.
    names
        The variables to keep.
    starts
        Where chains start, by free variable; the graph's own initial point elsewhere.
    jittered
        The free variables whose start is moved by up to one unit, in unconstrained coordinates.
    draws, tune, chains, seed, target_accept, max_treedepth, progress
        As in `bayesglmm.Sampler`.

    Returns
    -------
    xarray.DataTree
        Groups `posterior` and `sample_stats`, the statistics under nutpie's names.
    """
    import jax
    from pymc.sampling.jax import sample_numpyro_nuts

    with jax.enable_x64(True):
        trace = sample_numpyro_nuts(
            draws,
            tune=tune,
            chains=chains,
            target_accept=target_accept,
            random_seed=seed,
            initvals=starting_points(graph, starts, jittered, chains, seed),
            jitter=False,
            model=graph,
            var_names=list(names),
            nuts_kwargs={"max_tree_depth": max_treedepth},
            progressbar=progress,
            chain_method="vectorized",
            compute_convergence_checks=False,
        )
    found = in_numpy(trace["sample_stats"].to_dataset())
    statistics = found[list(STATISTICS)].rename(STATISTICS)
    statistics["logp"] = -found["lp"]  # the potential energy
    statistics["maxdepth_reached"] = found["n_steps"] >= 2**max_treedepth - 1
    posterior = in_numpy(trace["posterior"].to_dataset())
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": statistics})
