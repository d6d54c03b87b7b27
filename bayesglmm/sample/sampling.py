"""`sample(model, sampler) -> DataTree`: NUTS on a model's density, and its draws under the names of the package.

nutpie samples the compiled density of `bayesglmm.logdensity`, or the PyMC graph; PyMC's own NUTS and NumPyro sample the
graph. Whatever samples, names and statistics of the draws are the same.

References
----------
Hoffman & Gelman (2014), Journal of Machine Learning Research 15, 1593-1623.
"""

import time
from dataclasses import asdict, replace
from typing import Any, Literal

import xarray as xr

from bayesglmm.errors import InterfaceError, OptionError, SamplingError, listing, warn_once
from bayesglmm.sample.graph import Graph
from bayesglmm.sample.labelling import RESCALE, labelled
from bayesglmm.sample.numpyro_nuts import require_numpyro, run_numpyro
from bayesglmm.sample.nutpie_nuts import compile_graph, finished, hand_over, run_nutpie
from bayesglmm.sample.progress import status
from bayesglmm.sample.pymc_nuts import run_pymc
from bayesglmm.sample.settings import Backend, Sampler
from bayesglmm.sample.starts import coefficient_starts
from bayesglmm.sample.versions import versions
from bayesglmm.specify.model import Model

__all__ = ["sample"]

type Method = Literal["density", "pymc", "pymc_nuts", "numpyro"]
"""The compiled density by nutpie, the PyMC graph by nutpie, by PyMC's own NUTS, or by NumPyro."""

_METHODS: dict[Backend, tuple[Method, ...]] = {
    "auto": ("density", "pymc", "pymc_nuts"),
    "density": ("density",),
    "pymc": ("pymc", "pymc_nuts"),
    "numpyro": ("numpyro",),
}
"""The methods of a backend, in the order in which they are tried."""

_WARM_UP = {"whitened": 300, "joint": 300, "plain": 1000}
"""Warm-up draws by parameterization."""


def sample(model: Model, sampler: Sampler, *, progress: bool = True, joint: bool | None = None) -> xr.DataTree:
    """Draw from the posterior of a model.

    Parameters
    ----------
    model
        The model.
    sampler
        The settings; with a seed the draws are the same on any number of cores.
    progress
        Whether to show a progress bar, in a terminal or a notebook.
    joint
        Whether coordinates standardise coefficients and effects jointly, wherever that is possible (True) or nowhere
        (False); None where it pays.

    Returns
    -------
    xarray.DataTree
        Groups `posterior`, `sample_stats`, `observed_data`, `constant_data` of ArviZ's schema. The
        attributes of the root hold the settings, the backend, the seconds it took, whether it was
        interrupted, the versions of the packages, and how many `draws` of a chain and how many `chains` there are,
        beside `asked_draws` and `asked_chains`.

    Raises
    ------
    OptionError
        If the backend is `"numpyro"`, and NumPyro or JAX is not installed.
    PriorError
        If the prior alone is to be sampled and is improper.
    SamplingError
        If no chain finds a point to start from, or none of the draws is finite.
    InterfaceError
        If the backend is `"density"`, and the versions of numba or nutpie do not allow it.
    KeyboardInterrupt
        If interrupted, unless `Sampler.partial` and there are draws.
    """
    if sampler.backend == "numpyro":
        require_numpyro()
        if without_tensor := [prior for prior in model.priors.custom if not prior.has_tensor]:
            raise OptionError(f"backend='numpyro' needs {listing(without_tensor)} as tensors: give custom(…, tensor=…)")
    if sampler.prior_only:
        model.require_proper()
    sampler = sampler.seeded()
    trace, record = _sampled(model, sampler, progress, joint)
    tree = finished(lambda: labelled(trace, model), sampler.partial)
    settings = {name: value for name, value in asdict(sampler).items() if value is not None}
    sizes = tree["posterior"].sizes
    tree.attrs = {
        **{name: int(value) if isinstance(value, bool) else value for name, value in settings.items()},
        **record,
        "draws": sizes["draw"],
        "chains": sizes["chain"],
        "asked_draws": sampler.draws,
        "asked_chains": sampler.chains,
        "asked_backend": sampler.backend,
        "versions": versions(("jax", "numpyro") if sampler.backend == "numpyro" else ()),
    }
    return tree


def _sampled(
    model: Model, sampler: Sampler, progress: bool, joint: bool | None = None
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample by the first method that the versions of numba and nutpie allow; return the draws and their record."""
    methods = _METHODS[sampler.backend]
    first_error: InterfaceError | None = None
    for method in methods:
        try:
            sampled = _sample_by(method, model, sampler, progress, joint)
        except InterfaceError as error:
            first_error = first_error or error
            if method == methods[-1]:
                raise first_error from error
        else:
            if first_error is not None:
                _warn(first_error, method)
            return sampled
    raise AssertionError(methods)


def _warn(error: InterfaceError, method: Method) -> None:
    """Say, once, what it costs that the package's own density, or nutpie, does not work."""
    from bayesglmm.compiled.kernels import warn_uncompiled  # which loads numba

    instead = "nutpie" if method == "pymc" else "PyMC's own NUTS, several times slower"
    if error.dependency == "numba":
        warn_uncompiled(error, instead)
    else:
        warn_once(
            "nutpie",
            f"{error}. The PyMC graph is sampled by {instead}: the posterior is the same, but the first fit of a model "
            "takes a minute or more. Install a version of nutpie that bayesglmm names",
        )


def _sample_by(
    method: Method, model: Model, sampler: Sampler, progress: bool, joint: bool | None = None
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample by one method; return the draws and their record: coordinates, backend, seconds."""
    start = time.perf_counter()
    with status("preparing the model", shown=progress):
        prepared, record = _prepared(method, model, sampler, joint)
    warm_up = sampler.tune or _WARM_UP[record["parameterization"]]
    prepared_at = time.perf_counter()
    trace, interrupted = _run(method, prepared, replace(sampler, tune=warm_up), progress)
    return trace, {
        **record,
        "backend": "pymc" if method == "pymc_nuts" else method,
        "interrupted": int(interrupted),
        "warm_up": warm_up,
        "seconds_preparing": prepared_at - start,
        "seconds_sampling": time.perf_counter() - prepared_at,
    }


def _prepared(method: Method, model: Model, sampler: Sampler, joint: bool | None = None) -> tuple[Any, dict[str, Any]]:
    """Return what the method samples, compiled by nutpie or a `Graph`, and its record."""
    if method == "density":
        from bayesglmm.logdensity.compile import compile_density

        starts = coefficient_starts(model)
        density = compile_density(model, starts, prior_only=sampler.prior_only, joint=joint)
        record = {"parameterization": density.parameterization, "merged_rows": density.merged_rows}
        return hand_over(density, model), record | ({"why_plain": density.why_plain} if density.why_plain else {})
    graph = Graph.of(model, prior_only=sampler.prior_only)
    record = {"parameterization": "plain", "merged_rows": model.design.n}
    return compile_graph(graph) if method == "pymc" else graph, record


def _run(method: Method, prepared: Any, sampler: Sampler, progress: bool) -> tuple[xr.DataTree, bool]:
    """Run the chains; return their draws and whether they were interrupted."""
    try:
        if method == "pymc_nuts":
            return run_pymc(prepared, sampler, progress=progress), False
        if method == "numpyro":
            return run_numpyro(prepared, sampler, progress=progress), False
        return run_nutpie(prepared, sampler, progress=progress)
    except InterfaceError:
        raise
    except RuntimeError as error:
        raise SamplingError(f"the sampler stopped: {_without_backtrace(error)}; {RESCALE}") from error


def _without_backtrace(error: Exception) -> str:
    """Return nutpie's message without the stack of its Rust code."""
    text = str(error).partition("Stack backtrace")[0]
    return ": ".join(line.strip() for line in text.splitlines() if line.strip() not in ("", "Caused by:"))
