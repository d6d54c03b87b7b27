"""`run_nutpie(compiled, …)`: NUTS of nutpie on a compiled log density, its draws labelled without ArviZ.

nutpie imports ArviZ with all of its figures for a conversion of draws, which takes longer than sampling does. Its raw
trace, a table of Arrow a chain, is read here instead.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import InterfaceError, warn_once
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import posterior_coords, posterior_dims

if TYPE_CHECKING:
    from bayesglmm.logdensity.compile import CompiledDensity

__all__ = ["compile_graph", "finished", "hand_over", "load_nutpie", "run_nutpie"]

_WANTED = ("logp", "energy", "diverging", "depth", "maxdepth_reached", "n_steps", "mean_tree_accept", "step_size")
"""nutpie's names of the statistics that are kept."""


def load_nutpie() -> Any:
    """Import nutpie; ArviZ, where nobody has yet, only once something of it is used."""
    if "nutpie" in sys.modules or "arviz" in sys.modules:
        return importlib.import_module("nutpie")
    later = ModuleType("arviz")
    later.__getattr__ = lambda name: getattr(importlib.import_module("arviz"), name)  # type: ignore[method-assign]
    sys.modules["arviz"] = later
    try:
        return importlib.import_module("nutpie")
    finally:
        del sys.modules["arviz"]


def hand_over(density: "CompiledDensity", model: Model) -> Any:
    """Return a density of the package's own as what nutpie makes of a PyMC graph.

    Raises
    ------
    InterfaceError
        If nutpie has no such object, or one of other fields.
    """
    shapes = density.shapes
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    slices = [slice(int(start), int(end)) for start, end in pairwise([0, *ends])]
    load_nutpie()
    with _as_known("the object that stands for a compiled model"):
        from nutpie.compile_pymc import CompiledPyMCModel

        return CompiledPyMCModel(
            _n_dim=density.dim,
            dims={name: list(dims) for name, dims in posterior_dims(model).items()},
            _coords={name: pd.Index(values) for name, values in posterior_coords(model).items()},
            _shapes=shapes,
            compiled_logp_func=density.logp,
            compiled_expand_func=density.expand,
            initial_point_func=density.start,
            shared_data={str(i): array for i, array in enumerate(density.bound.kept)},
            shared_var_keys={},
            user_data=density.bound.header,
            n_expanded=int(ends[-1]),
            shape_info=(list(shapes), slices, list(shapes.values())),
            logp_func=None,
            expand_func=None,
            reparameterized_names=[],
        )


def compile_graph(graph: Any, names: Sequence[str], jittered: Collection[Any], starts: Mapping[str, Any]) -> Any:
    """Have nutpie compile a PyMC graph; without fast-math, so that a cached and a fresh compilation agree to the bit.

    Raises
    ------
    InterfaceError
        If nutpie cannot compile at all with the versions installed.
    """
    import pytensor

    changed = pytensor.config.change_flags(numba__fastmath=False)
    with changed, _as_known("its compilation of a graph"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numba will use object mode")  # to call a prior of the user's
        return load_nutpie().compile_pymc_model(
            graph, var_names=list(names), jitter_rvs=set(jittered), initial_points=dict(starts)
        )


@contextmanager
def _as_known(what: str) -> Iterator[None]:
    """Turn what an interface that has changed raises into an error that says so."""
    try:
        yield
    except (ImportError, AttributeError, NameError, NotImplementedError, TypeError, LookupError) as error:
        reason = f"nutpie is not the one that bayesglmm was made for: {what} fails ({type(error).__name__}: {error})"
        raise InterfaceError(reason, "nutpie") from error


def run_nutpie(
    compiled: Any,
    *,
    draws: int,
    tune: int,
    chains: int,
    cores: int | None,
    seed: int,
    target_accept: float,
    max_treedepth: int,
    progress: bool,
    fewest: int,
    partial: bool = False,
) -> tuple[xr.DataTree, bool]:
    """Sample what nutpie has compiled, or an object like it.

    Parameters
    ----------
    compiled
        The compiled density, with the names, dims and coords of the variables it expands a point into.
    draws, tune, chains, cores, seed, target_accept, max_treedepth, progress, partial
        As in `bayesglmm.Sampler`.
    fewest
        The least number of draws that are worth returning after an interruption.

    Returns
    -------
    tree, interrupted
        Groups `posterior` and `sample_stats`, the statistics under nutpie's names; interrupted chains are filled
        with NaN, or 0 where whole numbers are held, up to the longest.

    Raises
    ------
    RuntimeError
        If no chain can start, or the density fails.
    InterfaceError
        If nutpie does not take the object.
    KeyboardInterrupt
        If interrupted, and draws so far are not asked for or fewer than that.
    """
    nutpie = load_nutpie()

    def run(*, raw: bool) -> tuple[Any, bool]:
        with _as_known("its start"):
            running = nutpie.sample(
                compiled,
                draws=draws,
                tune=tune,
                chains=chains,
                cores=min(cores or os.cpu_count() or 1, chains),
                seed=seed,
                target_accept=target_accept,
                maxdepth=max_treedepth,
                progress_bar=progress,
                blocking=False,
                return_raw_trace=raw,
                save_warmup=False,
            )
        try:
            return running.wait(), False
        except KeyboardInterrupt:
            if not partial:
                running.cancel()
                raise
            return running.abort(), True

    tree, interrupted = _read(run, compiled.coords, partial)
    if interrupted and tree["posterior"].sizes.get("draw", 0) < fewest:
        raise KeyboardInterrupt
    return tree, interrupted


_unread: list[str] = []
"""Why the raw trace could not be read in this process; empty while it can."""


def _read(run: Callable[..., tuple[Any, bool]], coords: Mapping[str, Any], partial: bool) -> tuple[xr.DataTree, bool]:
    """Sample and return the draws; by nutpie's own conversion, from the same seed, where its raw trace has changed."""
    if not _unread:
        trace, interrupted = run(raw=True)
        try:
            return finished(lambda: _tree(trace, coords), partial), interrupted
        except MemoryError:
            raise
        except Exception as error:  # whatever a changed interface does
            _unread.append(f"{type(error).__name__}: {error}")
            if interrupted:
                raise KeyboardInterrupt from error
    warn_once(
        "trace",
        f"the trace of nutpie is not the one that bayesglmm was made for ({_unread[0]}); nutpie converts it itself, to "
        "the same draws, which takes two seconds more in every process, and once the time to sample again. Install a "
        "version of nutpie that bayesglmm names",
    )
    tree, interrupted = run(raw=False)
    return xr.DataTree.from_dict({name: tree[name].to_dataset() for name in ("posterior", "sample_stats")}), interrupted


def finished[T](convert: Callable[[], T], partial: bool) -> T:
    """Convert draws; begin again after an interruption where what has been drawn is asked for in spite of one."""
    try:
        return convert()
    except KeyboardInterrupt:
        if not partial:
            raise
        return convert()


def _tree(trace: Any, coords: Mapping[str, Any]) -> xr.DataTree:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chains, statistics = trace.get_arrow_trace()
    warm_up = [int(_column(batch, "tuning")[0].sum()) for batch in statistics]
    names = chains[0].column_names if chains else []
    return xr.DataTree.from_dict(
        {
            "posterior": _dataset(chains, names, warm_up, coords),
            "sample_stats": _dataset(statistics, _WANTED, warm_up, {}),
        }
    )


def _dataset(
    batches: Sequence[Any], names: Sequence[str], warm_up: Sequence[int], coords: Mapping[str, Any]
) -> xr.Dataset:
    """Return the variables of all chains after the warm-up, dims `chain`, `draw` and their own."""
    longest = max((batch.num_rows - skipped for batch, skipped in zip(batches, warm_up, strict=True)), default=0)
    variables: dict[str, tuple[tuple[str, ...], NDArray[Any]]] = {}
    for name in names:
        for chain, (batch, skipped) in enumerate(zip(batches, warm_up, strict=True)):
            values, dims = _column(batch, name)
            if name not in variables:
                filler = np.nan if values.dtype.kind == "f" else 0
                shape = (len(batches), longest, *values.shape[1:])
                variables[name] = (("chain", "draw", *dims), np.full(shape, filler, dtype=values.dtype))
            variables[name][1][chain, : len(values) - skipped] = values[skipped:]
    used = {dim for dims, _ in variables.values() for dim in dims}
    every = {"chain": np.arange(len(batches)), "draw": np.arange(longest), **coords}
    return xr.Dataset(variables, coords={dim: values for dim, values in every.items() if dim in used})


def _column(batch: Any, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return a column of a chain, shape (draws, …), and the dims of an entry."""
    import pyarrow as pa

    column = batch.column(name)
    about = column.field.metadata
    dims = tuple(dim for dim in about.get(b"dims", b"").decode().split(",") if dim)
    shape = [int(size) for size in about.get(b"shape", b"").decode().split(",") if size]
    values = pa.array(column)
    flat = values.flatten() if hasattr(values, "flatten") else values
    return flat.to_numpy(zero_copy_only=False).reshape(batch.num_rows, *shape), dims
