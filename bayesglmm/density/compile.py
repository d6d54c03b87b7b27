"""`compile_density(model)`: a model's data behind the compiled density, as an object nutpie samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
from numba.extending import register_jitable
from numpy.typing import NDArray

from bayesglmm import special
from bayesglmm.density import abi
from bayesglmm.density.core import BLOCK, HEADER, expand, log_density
from bayesglmm.design import BlockDesign
from bayesglmm.graph import pair_names, variable_names
from bayesglmm.model import Model
from bayesglmm.priors import Beta, Prior

__all__ = ["Layout", "compile_density"]

for _function in (special.log1p_exp, special.digamma, special.log_ndtr, special.mills, special._inverse_mills):
    register_jitable(_function)


@dataclass(frozen=True, eq=False)
class Layout:
    """Where everything of a model stands among the unconstrained coordinates, and the arrays behind the header.

    Parameters
    ----------
    header
        The array of sizes, flags and addresses that the compiled functions read.
    kept
        The arrays whose addresses the header holds; they live as long as this does.
    priors
        The prior of every global coordinate, in order.
    first_z
        Where the standard normal coordinates begin: the number of globals.
    dim
        The number of coordinates.
    shapes
        The shape of every variable of the posterior, in the order of `variable_names`.
    """

    header: NDArray[np.int64]
    kept: tuple[NDArray[Any], ...]
    priors: tuple[Prior, ...]
    first_z: int
    dim: int
    shapes: dict[str, tuple[int, ...]]

    @classmethod
    def of(cls, model: Model, *, prior_only: bool = False) -> "Layout":
        """Lay a model out."""
        design, priors = model.design, model.priors
        outcome = design.outcome
        assert outcome is not None
        columns = design.x[:, 1:] if design.has_intercept else design.x
        centred = design.has_intercept and priors.centred
        centre = columns.mean(axis=0) if centred else np.zeros(columns.shape[1])
        globals_ = _global_priors(model)
        parameters = len(model.family.parameters)
        trials = np.ones(design.n) if outcome.trials is None else outcome.trials
        kept: dict[str, NDArray[Any]] = {
            "x": np.ascontiguousarray((columns - centre).T),
            "offset": _floats(design.offset),
            "y": _floats(outcome.y),
            "trials": _floats(trials),
            "centre": _floats(centre),
            "prior_calls": np.array([_address(abi.PRIOR, prior.density) for prior in globals_], dtype=np.int64),
            "prior_numbers": np.array([_numbers(prior) for prior in globals_], dtype=np.float64),
            "transforms": np.array([_transform(prior) for prior in globals_], dtype=np.int64),
        }
        first_sd = int(design.has_intercept) + columns.shape[1]
        table, arrays, dim = _block_table(design.blocks, first_sd, len(globals_))
        kept["block_table"] = table
        header = np.zeros(len(HEADER), dtype=np.int64)
        for name, value in {
            "rows": design.n,
            "slopes": columns.shape[1],
            "intercept": int(design.has_intercept),
            "globals": len(globals_),
            "blocks": len(design.blocks),
            "parameters": parameters,
            "family": _address(abi.FAMILY, model.family.rows),
            "link": _address(abi.LINK, model.family.link.rows),
            "first_parameter": len(globals_) - parameters,
            "likelihood": int(not prior_only),
            **{name: array.ctypes.data for name, array in kept.items()},
        }.items():
            header[HEADER[name]] = value
        return cls(header, (*kept.values(), *arrays), globals_, len(globals_), dim, _shapes(model))


def compile_density(model: Model, starts: Mapping[str, Any], *, prior_only: bool = False) -> Any:
    """Return an object that nutpie samples.

    Parameters
    ----------
    model
        The model.
    starts
        Where the chains start: values of the centred `intercept` and the `slopes`, by name. What is not
        there starts in (−1, 1) of its unconstrained coordinate.
    prior_only
        Whether to leave the likelihood out.
    """
    from nutpie.compile_pymc import CompiledPyMCModel

    layout = Layout.of(model, prior_only=prior_only)
    names = list(variable_names(model))
    sizes = [int(np.prod(layout.shapes[name])) for name in names]
    ends = np.cumsum(sizes)
    slices = [slice(int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]
    return CompiledPyMCModel(
        _n_dim=layout.dim,
        dims={name: list(dims) for name, dims in _dims(model).items()},
        _coords=_coords(model),
        _shapes=layout.shapes,
        compiled_logp_func=log_density,
        compiled_expand_func=expand,
        initial_point_func=_initial(model, layout.dim, starts),
        shared_data={str(i): array for i, array in enumerate(layout.kept)},
        shared_var_keys={},
        user_data=layout.header,
        n_expanded=int(ends[-1]),
        shape_info=(names, slices, [layout.shapes[name] for name in names]),
        logp_func=None,
        expand_func=None,
        reparameterized_names=[],
    )


def _initial(model: Model, dim: int, starts: Mapping[str, Any]) -> Callable[[Any], NDArray[np.float64]]:
    """Return a function of a seed: the coordinates a chain starts at."""
    first = int(model.design.has_intercept)
    places = {"intercept": slice(0, first), "slopes": slice(first, first + len(model.priors.slopes))}

    def initial(seed: Any) -> NDArray[np.float64]:
        point = np.random.default_rng(seed).uniform(-1, 1, dim)
        for name, start in starts.items():
            point[places[name]] = start
        return point

    return initial


def _global_priors(model: Model) -> tuple[Prior, ...]:
    """List the priors of the globals: intercept, slopes, per block sds and partial correlations, parameters."""
    priors = model.priors
    listed = [priors.intercept.prior] if priors.intercept is not None else []
    listed += [assigned.prior for assigned in priors.slopes]
    for block in model.design.blocks:
        listed += [assigned.prior for assigned in priors.sd[block.name]]
        if block.correlated:
            (eta,) = priors.correlation[block.name].prior.numbers()
            shapes = [eta + (block.size - 2 - j) / 2 for i in range(block.size) for j in range(i)]
            listed += [Beta(shape, shape) for shape in shapes]
    return (*listed, *(priors.parameters[parameter.name].prior for parameter in model.family.parameters))


def _block_table(
    blocks: tuple[BlockDesign, ...], first_sd: int, first_z: int
) -> tuple[NDArray[np.int64], list[NDArray[Any]], int]:
    """Return the block table, the arrays it points at, and the number of coordinates."""
    table = np.zeros((max(len(blocks), 1), len(BLOCK)), dtype=np.int64)
    arrays: list[NDArray[Any]] = []
    at, z_at = first_sd, first_z
    for row, block in zip(table, blocks, strict=False):
        index = np.ascontiguousarray(block.index, dtype=np.int64)
        z = np.ascontiguousarray(block.z.T)
        arrays += [index, z]
        entries = {
            "columns": block.size,
            "levels": len(block.levels),
            "correlated": int(block.correlated),
            "first_sd": at,
            "first_partial": at + block.size,
            "first_z": z_at,
            "index": index.ctypes.data,
            "z": z.ctypes.data,
            "intercept_only": int(block.columns == ("Intercept",)),
        }
        for name, value in entries.items():
            row[BLOCK[name]] = value
        at += block.size + (len(pair_names(block)) if block.correlated else 0)
        z_at += block.size * len(block.levels)
    return table, arrays, z_at


def _numbers(prior: Prior) -> list[float]:
    numbers = [*prior.numbers(), 0.0, 0.0, 0.0][:3]
    return [*numbers, *prior.bounds]


def _transform(prior: Prior) -> int:
    """Return 0 for the whole line, 1 for above zero, 2 for an interval."""
    lower, upper = prior.bounds
    return 2 if np.isfinite(upper) else int(np.isfinite(lower))


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.ascontiguousarray(values, dtype=np.float64)


@cache
def _address(signature: Any, function: Callable[..., Any]) -> int:
    """Return the address of a function of a family, a link or a prior, compiled once and kept on disk."""
    return int(numba.cfunc(signature, cache=True, error_model="numpy")(function).address)


def _shapes(model: Model) -> dict[str, tuple[int, ...]]:
    sizes = {name: len(values) for name, values in _coords(model).items()}
    return {name: tuple(sizes[dim] for dim in dims) for name, dims in _dims(model).items()}


def _dims(model: Model) -> dict[str, tuple[str, ...]]:
    """Return the dims of every variable of the posterior."""
    dims: dict[str, tuple[str, ...]] = {"beta": ("coef",)}
    for block in model.design.blocks:
        dims[f"sd_{block.name}"] = (f"{block.name}_coef",)
        dims[f"b_{block.name}"] = (block.name, f"{block.name}_coef")
        if block.correlated:
            dims[f"corr_{block.name}"] = (f"{block.name}_pair",)
    dims.update({parameter.name: () for parameter in model.family.parameters})
    return {name: dims[name] for name in variable_names(model)}


def _coords(model: Model) -> dict[str, Any]:
    import pandas as pd

    coords: dict[str, Any] = {"coef": list(model.design.coef)}
    for block in model.design.blocks:
        coords[block.name] = list(block.levels)
        coords[f"{block.name}_coef"] = list(block.columns)
        if block.correlated:
            coords[f"{block.name}_pair"] = list(pair_names(block))
    return {name: pd.Index(values) for name, values in coords.items()}
