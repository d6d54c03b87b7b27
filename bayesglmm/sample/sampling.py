"""`sample(model, sampler) -> DataTree`: NUTS on a model's density, and its draws under the names of the package.

The seam: whatever nutpie can sample (an object with a compiled log density and an expansion into the
posterior's variables) gives draws of the same names and statistics; `_compile` is where one is made, from
the compiled density of `bayesglmm.logdensity` or from the PyMC graph. NumPyro samples the graph itself.

References
----------
Hoffman & Gelman (2014), Journal of Machine Learning Research 15, 1593-1623.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
import xarray as xr

from bayesglmm.errors import InterfaceError, OptionError, SamplingError, choose, listing, warn_once
from bayesglmm.sample.numpyro_nuts import require_numpyro, run_numpyro
from bayesglmm.sample.nutpie_nuts import compile_graph, finished, hand_over, run_nutpie
from bayesglmm.sample.progress import status
from bayesglmm.sample.pymc_nuts import run_pymc
from bayesglmm.sample.versions import versions
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import WHOLE_LINE
from bayesglmm.specify.priors.scales import scales
from bayesglmm.specify.variables import variable_names

__all__ = ["Sampler", "constants", "observed", "sample"]

type Backend = Literal["auto", "density", "pymc", "numpyro"]
type Way = Literal["density", "pymc", "own", "numpyro"]
"""What is sampled by what: the density or the graph by nutpie, the graph by PyMC itself or by NumPyro."""

_WAYS: dict[Backend, tuple[Way, ...]] = {
    "auto": ("density", "pymc", "own"),
    "density": ("density",),
    "pymc": ("pymc", "own"),
    "numpyro": ("numpyro",),
}
"""The ways of a backend, in the order in which they are tried."""

_STATISTICS = {
    "logp": "lp",
    "energy": "energy",
    "diverging": "diverging",
    "depth": "tree_depth",
    "maxdepth_reached": "reached_max_treedepth",
    "n_steps": "n_steps",
    "mean_tree_accept": "acceptance_rate",
    "step_size": "step_size",
}
"""What is kept of the sampler's statistics: nutpie's names and ArviZ's."""

_RESCALE = "check the scales of predictors, offsets and priors"

_WARM_UP = {"whitened": 300, "joint": 300, "plain": 1000}
_FEWEST = 4  # ArviZ computes no diagnostic from fewer draws
_FLAGS = ("diverging", "reached_max_treedepth")


@dataclass(frozen=True)
class Sampler:
    """How to sample.

    Parameters
    ----------
    draws
        Draws kept in each chain.
    tune
        Warm-up draws in each chain, not kept; None for 300 in whitened coordinates and 1,000 in others.
    chains
        The number of chains.
    cores
        How many chains run at once, None for as many as the machine has; the draws do not depend on it.
    seed
        The seed, None to have one chosen; the fit records it.
    target_accept
        The acceptance rate the step size is adapted to, between 0.5 and 1.
    max_treedepth
        The largest depth of a trajectory's tree: at most 2 to its power steps.
    prior_only
        Whether to leave the likelihood out and sample the prior.
    backend
        What computes the log density: `"density"`, the package's own, compiled once for all models;
        `"pymc"`, the PyMC graph, compiled for each; `"numpyro"`, the same graph compiled by JAX and sampled
        by NumPyro, both of the extra `bayesglmm[numpyro]`; `"auto"`, the first, and where the versions of numba or
        nutpie do not allow it the second. The posterior is the same.
    partial
        Whether an interruption (Ctrl-C) after the warm-up returns the draws so far, with a finding that says how
        many were asked for; otherwise it ends the fit. NumPyro returns none.
    mend
        Whether a fit that fails its checks is sampled again, once (see `bayesglmm.sample.mending`).

    Raises
    ------
    OptionError
        For a value out of range.
    """

    draws: int = 1000
    tune: int | None = None
    chains: int = 4
    cores: int | None = None
    seed: int | None = None
    target_accept: float = 0.85
    max_treedepth: int = 10
    prior_only: bool = False
    backend: Backend = "auto"
    partial: bool = False
    mend: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        bounds = {"draws": (_FEWEST, 10**7), "chains": (1, 1000), "max_treedepth": (1, 20)}
        optional = {"tune": (1, 10**7), "cores": (1, 10_000), "seed": (0, 2**63 - 1)}
        for name, (least, most) in {**bounds, **optional}.items():
            if getattr(self, name) is not None or name in bounds:
                _check_integer(name, getattr(self, name), least, most)
        if not isinstance(self.target_accept, int | float) or not 0.5 <= self.target_accept < 1:
            raise OptionError(f"target_accept={self.target_accept!r} is not between 0.5 and 1; try 0.9")
        for name in ("prior_only", "partial", "mend"):
            if not isinstance(getattr(self, name), bool):
                raise OptionError(f"{name}={getattr(self, name)!r} is neither True nor False")
        choose("backend", self.backend, get_args(Backend.__value__))

    def seeded(self) -> "Sampler":
        """Return the settings with a seed: the one given, or one drawn now."""
        if self.seed is not None:
            return self
        return replace(self, seed=int(np.random.SeedSequence().generate_state(1)[0]))

    @classmethod
    def options(cls) -> tuple[str, ...]:
        """Return the names of the settings."""
        return tuple(field.name for field in fields(cls))


def sample(model: Model, sampler: Sampler, *, progress: bool = True, together: bool | None = None) -> xr.DataTree:
    """Draw from the posterior of a model.

    Parameters
    ----------
    model
        The model.
    sampler
        The settings; with a seed the draws are the same on any number of cores.
    progress
        Whether to show a progress bar, in a terminal or a notebook.
    together
        Whether coordinates standardise coefficients and effects together, wherever that is possible (True) or nowhere
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
        If interrupted, unless draws so far are asked for (`Sampler.partial`) and there are some.
    """
    if sampler.backend == "numpyro":
        require_numpyro()
        if own := [prior for prior in model.priors.custom if not prior.has_tensor]:
            raise OptionError(f"backend='numpyro' needs {listing(own)} as tensors: give custom(…, tensor=…)")
    if sampler.prior_only:
        model.require_proper()
    sampler = sampler.seeded()
    trace, about = _drawn(model, sampler, progress, together)
    tree = finished(lambda: _tidy(trace, model), sampler.partial)
    asked = {name: value for name, value in asdict(sampler).items() if value is not None}
    sizes = tree["posterior"].sizes
    tree.attrs = {
        **{name: int(value) if isinstance(value, bool) else value for name, value in asked.items()},
        **about,
        "draws": sizes["draw"],
        "chains": sizes["chain"],
        "asked_draws": sampler.draws,
        "asked_chains": sampler.chains,
        "asked_backend": sampler.backend,
        "versions": versions(("jax", "numpyro") if sampler.backend == "numpyro" else ()),
    }
    return tree


def _drawn(
    model: Model, sampler: Sampler, progress: bool, together: bool | None = None
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample in the first way that the versions of numba and nutpie allow; return the draws and what to say of them."""
    ways = _WAYS[sampler.backend]
    failed: InterfaceError | None = None
    for way in ways:
        try:
            drawn = _draw(model, sampler, way, progress, together)
        except InterfaceError as error:
            failed = failed or error
            if way == ways[-1]:
                raise failed from error
        else:
            if failed is not None:
                _warn(failed, way)
            return drawn
    raise AssertionError(ways)


def _warn(failed: InterfaceError, way: Way) -> None:
    """Say, once, what it costs that the package's own density, or nutpie, does not work."""
    from bayesglmm.compiled.kernels import warn_uncompiled  # which loads numba

    by = "nutpie" if way == "pymc" else "PyMC's own NUTS, several times slower"
    if failed.dependency == "numba":
        warn_uncompiled(failed, by)
    else:
        warn_once(
            "nutpie",
            f"{failed}. The PyMC graph is sampled by {by}: the posterior is the same, but the first fit of a model "
            "takes a minute or more. Install a version of nutpie that bayesglmm names",
        )


def _draw(
    model: Model, sampler: Sampler, way: Way, progress: bool, together: bool | None = None
) -> tuple[xr.DataTree, dict[str, Any]]:
    """Sample in one way; return the draws and what to say of them."""
    start = time.perf_counter()
    with status("preparing the model", shown=progress):
        compiled, about = _compile(model, sampler, way, together)
    warm_up = sampler.tune or _WARM_UP[about["parameterization"]]
    prepared = time.perf_counter()
    trace, interrupted = _run(compiled, replace(sampler, tune=warm_up), progress)
    return trace, {
        **about,
        "backend": "pymc" if way == "own" else way,
        "interrupted": int(interrupted),
        "warm_up": warm_up,
        "seconds_preparing": prepared - start,
        "seconds_sampling": time.perf_counter() - prepared,
    }


def _check_integer(name: str, value: Any, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or not least <= value <= most:
        raise OptionError(f"{name}={value!r} is not a whole number from {least} to {most}")


def _compile(model: Model, sampler: Sampler, way: Way, together: bool | None = None) -> tuple[Any, dict[str, Any]]:
    """Return what is sampled, and what to say of it."""
    if way == "density":
        from bayesglmm.logdensity.compile import compile_density

        density = compile_density(model, _starts(model), prior_only=sampler.prior_only, together=together)
        about = {"parameterization": density.parameterization, "merged_rows": density.merged_rows}
        return hand_over(density, model), about | ({"why_plain": density.why_plain} if density.why_plain else {})
    graph = _Graph.of(model, sampler.prior_only, run_numpyro if way == "numpyro" else run_pymc)
    compiled = graph.compiled() if way == "pymc" else graph
    return compiled, {"parameterization": "plain", "merged_rows": model.design.n}


@dataclass(frozen=True)
class _Graph:
    """A PyMC graph, the variables wanted of it, and where chains start."""

    graph: Any
    names: tuple[str, ...]
    starts: dict[str, Any]
    jittered: tuple[str, ...]
    run: Callable[..., xr.DataTree]

    @classmethod
    def of(cls, model: Model, prior_only: bool, run: Callable[..., xr.DataTree]) -> "_Graph":
        graph = model.to_pymc(prior_only=prior_only)
        free = [rv.name for rv in graph.free_RVs]
        starts = {} if prior_only else {name: start for name, start in _starts(model).items() if name in free}
        jittered = tuple(name for name in free if prior_only or name not in ("intercept", "slopes"))
        return cls(graph, variable_names(model), starts, jittered, run)

    def compiled(self) -> Any:
        """Have nutpie compile its density."""
        return compile_graph(self.graph, self.names, {self.graph[name] for name in self.jittered}, self.starts)


def _starts(model: Model) -> dict[str, Any]:
    """Return where the coefficients start: at the level of the response, a tenth of a unit of η along each predictor.

    Exactly at the mode of a prior a gradient may vanish, which the sampler takes for a fault; a fixed
    jitter would be far off where a predictor has large values. A coefficient whose prior is bounded
    has no start here.
    """
    found, priors = scales(model.design, model.family), model.priors
    nudge = 0.1 * found.response
    starts: dict[str, Any] = {}
    if priors.intercept is not None and priors.intercept.prior.bounds == WHOLE_LINE:
        starts["intercept"] = found.centre + nudge
    if priors.slopes and all(assigned.prior.bounds == WHOLE_LINE for assigned in priors.slopes):
        starts["slopes"] = nudge / np.array(found.slopes)
    return starts


def _run(compiled: Any, sampler: Sampler, progress: bool) -> tuple[xr.DataTree, bool]:
    """Run the chains; return their draws and whether they were interrupted."""
    shared = ("draws", "tune", "chains", "seed", "target_accept", "max_treedepth")
    options: dict[str, Any] = {name: getattr(sampler, name) for name in shared} | {"progress": progress}
    of_nutpie: dict[str, Any] = {"cores": sampler.cores, "fewest": _FEWEST, "partial": sampler.partial}
    try:
        if isinstance(compiled, _Graph):
            of_graph = (compiled.graph, compiled.names, compiled.starts, compiled.jittered)
            return compiled.run(*of_graph, **options), False
        return run_nutpie(compiled, **options, **of_nutpie)
    except InterfaceError:
        raise
    except RuntimeError as error:
        raise SamplingError(f"the sampler stopped: {_first_lines(error)}; {_RESCALE}") from error


def _first_lines(error: Exception) -> str:
    """Return what nutpie says without the stack of its Rust code."""
    text = str(error).partition("Stack backtrace")[0]
    return ": ".join(line.strip() for line in text.splitlines() if line.strip() not in ("", "Caused by:"))


def _tidy(trace: xr.DataTree, model: Model) -> xr.DataTree:
    """Keep what the package names, under ArviZ's names."""
    posterior = trace["posterior"].to_dataset()[list(variable_names(model))]
    complete = _complete(posterior)
    posterior = posterior.isel(complete)
    if not np.isfinite(posterior["beta"].values).all():
        raise SamplingError(f"a draw of the coefficients is not finite; {_RESCALE}")
    statistics = trace["sample_stats"].to_dataset()[list(_STATISTICS)].rename(_STATISTICS).isel(complete)
    statistics = statistics.assign({name: statistics[name].astype(bool) for name in _FLAGS}).drop_attrs()
    return xr.DataTree.from_dict(
        {
            "posterior": posterior.assign_attrs(_about(model)),
            "sample_stats": statistics,
            "observed_data": observed(model),
            "constant_data": constants(model),
        }
    )


def _complete(posterior: xr.Dataset) -> dict[str, Any]:
    """Return the chains and draws to keep: interrupted chains end at different lengths, the rest is missing.

    Of all ways to keep some chains up to the end of the shortest, the one with the most draws.
    """
    there = np.isfinite(posterior["beta"].values).all(axis=2)
    ends = np.array([chain.size - np.argmax(chain[::-1]) if chain.any() else 0 for chain in there])
    total = [np.sum(ends >= end) * end for end in ends]
    shortest = int(ends[np.argmax(total)])
    if shortest == 0:
        raise SamplingError(f"no chain has a finite draw; {_RESCALE}")
    return {"chain": np.flatnonzero(ends >= shortest), "draw": slice(0, shortest)}


def _about(model: Model) -> dict[str, str]:
    return {
        "formula": str(model.formula),
        "family": model.family.name,
        "link": model.family.link.name,
        "scale": "link",
        "beta": "conditional coefficients: of the typical subject, b = 0",
    }


def observed(model: Model) -> xr.Dataset:
    """Return the outcome, and the trials where there are some, as draws hold them in `observed_data`."""
    outcome = model.design.outcome
    assert outcome is not None
    values = {"y": ("row", outcome.y)}
    if outcome.trials is not None:
        values["trials"] = ("row", outcome.trials)
    return xr.Dataset(values, coords={"row": model.design.columns.rows})


def constants(model: Model) -> xr.Dataset:
    """Return the columns, offset and groups, as draws hold them in `constant_data`."""
    design = model.design
    values: dict[str, Any] = {"x": (("row", "coef"), design.x), "offset": ("row", design.offset)}
    coords: dict[str, Any] = {"row": design.columns.rows, "coef": list(design.coef)}
    for block in design.blocks:
        values[f"index_{block.name}"] = ("row", block.index)
        values[f"columns_{block.name}"] = (("row", f"{block.name}_coef"), block.z)
        coords[f"{block.name}_coef"] = list(block.columns)
    return xr.Dataset(values, coords=coords)
