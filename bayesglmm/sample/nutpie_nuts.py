"""`run_nutpie(compiled, sampler)`: NUTS of nutpie on a compiled log density; all contact with nutpie's private parts.

nutpie converts its draws by ArviZ, whose import takes longer than sampling does. So its raw trace, an Arrow table a
chain, is read here instead.
"""

import importlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from bayesglmm.errors import InterfaceError, warn_once
from bayesglmm.sample.graph import Graph
from bayesglmm.sample.labelling import STATISTICS
from bayesglmm.sample.settings import FEWEST_DRAWS, Sampler
from bayesglmm.specify.model import Model
from bayesglmm.specify.variables import posterior_coords, posterior_dims

if TYPE_CHECKING:
    from bayesglmm.logdensity.compile import CompiledDensity

__all__ = ["compile_graph", "finished", "hand_over", "load_nutpie", "run_nutpie"]

_NUTPIE_NAMES = {
    "lp": "logp",
    "tree_depth": "depth",
    "reached_max_treedepth": "maxdepth_reached",
    "acceptance_rate": "mean_tree_accept",
}
"""nutpie's names of statistics, where they are not ArviZ's."""


def load_nutpie() -> Any:
    """Import nutpie, with a lazy module in the place of ArviZ if that is not imported yet."""
    if "nutpie" in sys.modules or "arviz" in sys.modules:
        return importlib.import_module("nutpie")
    lazy = ModuleType("arviz")
    lazy.__getattr__ = lambda name: getattr(importlib.import_module("arviz"), name)  # type: ignore[method-assign]
    sys.modules["arviz"] = lazy
    try:
        return importlib.import_module("nutpie")
    finally:
        del sys.modules["arviz"]


def hand_over(density: "CompiledDensity", model: Model) -> Any:
    """Return a density of the package's own as the object that nutpie makes of a PyMC graph.

    Raises
    ------
    InterfaceError
        If nutpie has no such class, or it has other fields.
    """
    shapes = density.shapes
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    slices = [slice(int(start), int(end)) for start, end in pairwise([0, *ends])]
    load_nutpie()
    with _interface("the object that stands for a compiled model"):
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


def compile_graph(graph: Graph) -> Any:
    """Have nutpie compile a PyMC graph; without fast-math, so that a cached and a fresh compilation agree to the bit.

    Raises
    ------
    InterfaceError
        If nutpie cannot compile at all with the versions installed.
    """
    import pytensor

    changed = pytensor.config.change_flags(numba__fastmath=False)
    with changed, _interface("its compilation of a graph"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Numba will use object mode")  # for a prior written in Python
        return load_nutpie().compile_pymc_model(
            graph.model,
            var_names=list(graph.names),
            jitter_rvs={graph.model[name] for name in graph.jittered},
            initial_points=dict(graph.starts),
        )


@contextmanager
def _interface(what: str) -> Iterator[None]:
    """Turn the exceptions of a changed interface into an `InterfaceError`."""
    try:
        yield
    except (ImportError, AttributeError, NameError, NotImplementedError, TypeError, LookupError) as error:
        reason = f"nutpie is not the one that bayesglmm was made for: {what} fails ({type(error).__name__}: {error})"
        raise InterfaceError(reason, "nutpie") from error


def run_nutpie(compiled: Any, sampler: Sampler, *, progress: bool) -> tuple[xr.DataTree, bool]:
    """Sample a density that nutpie has compiled, or an object like it.

    Parameters
    ----------
    compiled
        The compiled density, with the names, dims and coords of the variables it expands a point into.
    sampler
        The settings, with a seed and a warm-up.
    progress
        Whether to show a progress bar.

    Returns
    -------
    tree, interrupted
        Groups `posterior` and `sample_stats`; interrupted chains are padded to the longest with NaN, integers with 0.

    Raises
    ------
    RuntimeError
        If no chain can start, or the density fails.
    InterfaceError
        If nutpie does not take the object.
    KeyboardInterrupt
        If interrupted, and `sampler.partial` is False or there are too few draws.
    """
    nutpie = load_nutpie()

    def run(*, raw: bool) -> tuple[Any, bool]:
        with _interface("its start"):
            running = nutpie.sample(
                compiled,
                draws=sampler.draws,
                tune=sampler.tune,
                chains=sampler.chains,
                cores=min(sampler.cores or os.cpu_count() or 1, sampler.chains),
                seed=sampler.seed,
                target_accept=sampler.target_accept,
                maxdepth=sampler.max_treedepth,
                progress_bar=progress,
                blocking=False,
                return_raw_trace=raw,
                save_warmup=False,
            )
        try:
            return running.wait(), False
        except KeyboardInterrupt:
            if not sampler.partial:
                running.cancel()
                raise
            return running.abort(), True

    tree, interrupted = _read(run, compiled.coords, sampler.partial)
    if interrupted and tree["posterior"].sizes.get("draw", 0) < FEWEST_DRAWS:
        raise KeyboardInterrupt
    return tree, interrupted


_unreadable: list[str] = []
"""Why the raw trace could not be read in this process; empty while it can."""


def _read(run: Callable[..., tuple[Any, bool]], coords: Mapping[str, Any], partial: bool) -> tuple[xr.DataTree, bool]:
    """Sample and read the raw trace; where its format has changed, sample again and let nutpie convert it."""
    if not _unreadable:
        trace, interrupted = run(raw=True)
        try:
            return finished(lambda: _tree(trace, coords), partial), interrupted
        except MemoryError:
            raise
        except Exception as error:  # a changed interface may raise anything
            _unreadable.append(f"{type(error).__name__}: {error}")
            if interrupted:
                raise KeyboardInterrupt from error
    warn_once(
        "trace",
        f"the trace of nutpie is not the one that bayesglmm was made for ({_unreadable[0]}); nutpie converts it "
        "itself, to the same draws, which takes two seconds more in every process, and once the time to sample again. "
        "Install a version of nutpie that bayesglmm names",
    )
    tree, interrupted = run(raw=False)
    posterior, statistics = (tree[name].to_dataset() for name in ("posterior", "sample_stats"))
    return xr.DataTree.from_dict({"posterior": posterior, "sample_stats": _renamed(statistics)}), interrupted


def _renamed(statistics: xr.Dataset) -> xr.Dataset:
    """Return the statistics under ArviZ's names."""
    return statistics.rename({nutpie: arviz for arviz, nutpie in _NUTPIE_NAMES.items()})


def finished[T](convert: Callable[[], T], partial: bool) -> T:
    """Convert draws; after an interruption convert them again if `partial`, since they are to be returned."""
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
    kept = [_NUTPIE_NAMES.get(name, name) for name in STATISTICS]
    return xr.DataTree.from_dict(
        {
            "posterior": _dataset(chains, names, warm_up, coords),
            "sample_stats": _renamed(_dataset(statistics, kept, warm_up, {})),
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
    labels = {"chain": np.arange(len(batches)), "draw": np.arange(longest), **coords}
    return xr.Dataset(variables, coords={dim: values for dim, values in labels.items() if dim in used})


def _column(batch: Any, name: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """Return a column of a chain, shape (draws, …), and the dims of an entry."""
    import pyarrow as pa

    column = batch.column(name)
    metadata = column.field.metadata
    dims = tuple(dim for dim in metadata.get(b"dims", b"").decode().split(",") if dim)
    shape = [int(size) for size in metadata.get(b"shape", b"").decode().split(",") if size]
    values = pa.array(column)
    flat = values.flatten() if hasattr(values, "flatten") else values
    return flat.to_numpy(zero_copy_only=False).reshape(batch.num_rows, *shape), dims
