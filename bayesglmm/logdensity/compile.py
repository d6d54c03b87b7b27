"""`compile_density(model)`: a model as a compiled log density, in coordinates chosen for it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow, Shape, lifted
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.evaluator import FLOOR, Evaluator, curvature
from bayesglmm.logdensity.header import Bound, Coordinates, ModelData, sd_places
from bayesglmm.logdensity.joint_coordinates import condition_together
from bayesglmm.logdensity.laplace import marginal_mode
from bayesglmm.logdensity.logp_kernel import expand, log_density
from bayesglmm.logdensity.pseudo_data import pseudo_data
from bayesglmm.logdensity.whitening import whitening
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import ABOVE_ZERO
from bayesglmm.specify.priors.scales import scales
from bayesglmm.specify.variables import posterior_coords, posterior_dims

__all__ = ["CompiledDensity", "compile_density", "find_coordinates", "posterior_shapes", "variables"]

type Array = NDArray[np.float64]

_MOST_CORE, _MOST_STRIPS = 400, 1_000_000
"""The most effects in the core, and of them times coordinates of leaves: beyond, the map costs more than it gives."""

_FEW_LEVELS, _UNCERTAIN = 9, 0.28
"""A factor's sd may be uncertain if it has this few levels, and is if the sd of its logarithm is above the second."""

_MOST_PAIRS, _LEAST_WORK = 1_000_000, 500
"""The most products of a factorisation at every step where it is asked for; what the density takes without its rows."""


@dataclass(frozen=True, eq=False)
class CompiledDensity:
    """A model's log density as machine code: what a sampler needs of it.

    Parameters
    ----------
    bound
        The model's data and constants behind one header.
    shapes
        The shape of every variable of the posterior by name, in the order in which `expand` writes them.
    start
        From a seed, coordinates (dim,) where a chain starts.
    merged_rows
        The number of rows after identical ones were merged.
    parameterization
        `"whitened"`, `"joint"`, or `"plain"` where no mode was found or there is no likelihood.
    why_plain
        Why no mode was found; empty if there is one, or none was looked for.
    """

    bound: Bound
    shapes: dict[str, tuple[int, ...]]
    start: Callable[[Any], Array]
    merged_rows: int
    parameterization: str
    why_plain: str

    @property
    def dim(self) -> int:
        """The number of coordinates."""
        return self.bound.dim

    @property
    def logp(self) -> Any:
        """The C function of the log density and its gradient: see `logp_kernel.log_density`."""
        return log_density

    @property
    def expand(self) -> Any:
        """The C function from coordinates to the variables of the posterior: see `logp_kernel.expand`."""
        return expand


def compile_density(
    model: Model, starts: Mapping[str, Any], *, prior_only: bool = False, together: bool | None = None
) -> CompiledDensity:
    """Return a model's log density in coordinates chosen for it.

    Parameters
    ----------
    model
        The model.
    starts
        Values of the centred `intercept` and the `slopes`, by name: where the search for the mode
        begins, and the chains where no mode was found.
    prior_only
        Whether to leave the likelihood out.
    together
        As in `find_coordinates`.

    Raises
    ------
    InterfaceError
        If numba is not as the density needs it.
    """
    rows = Rows.best(model)
    chosen = "" if prior_only else find_coordinates(model, starts, rows, together=together)
    found = None if isinstance(chosen, str) else chosen
    bound = Bound.of(model, found, rows=rows, prior_only=prior_only)
    start = _initial(bound.dim, None if found else _start(model, bound, starts))
    named = "plain" if found is None else "whitened" if found.joint is None else "joint"
    why = chosen if isinstance(chosen, str) else ""
    return CompiledDensity(bound, posterior_shapes(model), start, rows.n, named, why)


def find_coordinates(
    model: Model, starts: Mapping[str, Any], rows: Rows | None = None, *, together: bool | None = None
) -> Coordinates | str:
    """Choose coordinates from the mode: pseudo-data, and the whitening; or say why there are none.

    Where factors have few levels, sds are uncertain, and coefficients and effects, whose scale they are, are
    standardised together at every step; elsewhere, or if that costs much, each block by itself, and a linear map does
    the rest. `together` asks for the first wherever it is possible (True) or nowhere (False).
    """
    rows = rows or Rows.of(model)
    data = ModelData.of(model, rows)
    bound = data.bound()
    density = _evaluator(model, bound, rows)
    shape = density.shape
    units, about = np.ones(shape.globals), scales(model.design, model.family)
    first, slopes = int(model.design.has_intercept), about.slopes
    units[:first] = about.response
    units[first : first + len(slopes)] = about.response / np.array(slopes)
    sds = sd_places(model)
    start = _start(model, bound, starts)
    if together or (together is None and _worth_trying(model)):
        joint = condition_together(model, density, start, sds, units, most=_MOST_PAIRS if together else _cost(density))
        if joint is not None and (together or joint.sd_spread.max() > _UNCERTAIN):
            return joint.coordinates
    effects = shape.core - shape.globals
    if effects > _MOST_CORE or effects * shape.leaves[0] * shape.leaves[1] > _MOST_STRIPS:
        return "too many levels of several factors"
    found = marginal_mode(density, start, units)
    if isinstance(found, str):
        return found
    mode, marginal = found
    known, pull = pseudo_data(density, mode, sds)
    density = _evaluator(model, data.bound(Coordinates(known, pull)), rows)
    middle = mode.copy()
    middle[shape.globals :] = 0.0  # what the effects' coordinates are at the mode
    arrow = curvature(density, middle, units)
    return Coordinates(known, pull, whitening(middle, arrow, _core_marginal(arrow, marginal)))


def _worth_trying(model: Model) -> bool:
    """Whether sds may be so uncertain that a linear map does not do."""
    blocks = model.design.blocks
    several = len({block.factor for block in blocks}) > 1
    return several or any(len(block.levels) <= _FEW_LEVELS for block in blocks)


def _cost(density: Evaluator) -> int:
    """Return how many products of a factorisation cost about as much as the density does in other coordinates."""
    rows, shape = density.rows, density.shape
    columns = int(rows.x.shape[1]) + sum(int(z.shape[1]) for z in rows.z) + 3
    strips = (shape.core - shape.globals) * shape.leaves[0] * shape.leaves[1]
    return min(_MOST_PAIRS, rows.n * columns + strips + _LEAST_WORK)


def _core_marginal(arrow: Arrow, marginal: Array) -> Array:
    """Return the curvature of the core's marginal: the globals' own, and that of the core's effects given them."""
    core, g = arrow.schur(), len(marginal)
    core[g:, g:] = lifted(core[g:, g:], FLOOR)
    core[:g, :g] = marginal + core[:g, g:] @ np.linalg.solve(core[g:, g:], core[g:, :g])
    return core


def _evaluator(model: Model, bound: Bound, rows: Rows) -> Evaluator:
    return Evaluator(bound.header, bound.kept, rows, Shape.of(len(bound.priors), model.design.blocks))


def variables(model: Model, bound: Bound, point: Array) -> dict[str, Array]:
    """Return the variables of the posterior at a point, by name."""
    shapes = posterior_shapes(model)
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    out = np.empty(sum(sizes))
    expand.call(bound.dim, out.size, point.ctypes.data, out.ctypes.data, bound.header.ctypes.data)
    pieces = np.split(out, np.cumsum(sizes)[:-1])
    return {name: piece.reshape(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}


def _start(model: Model, bound: Bound, starts: Mapping[str, Any]) -> Array:
    """Return coordinates to begin at: the coefficients as given, sds at half the scale of η, the rest at 0."""
    first, found = int(model.design.has_intercept), scales(model.design, model.family)
    at = first + len(model.priors.slopes)
    places = {"intercept": slice(0, first), "slopes": slice(first, at)}
    point = np.zeros(bound.dim)
    for name, start in starts.items():
        point[places[name]] = start
    guesses: list[tuple[int, float]] = []
    for sds, units in zip(sd_places(model), found.blocks, strict=True):
        guesses += [(sds.start + j, found.response / (2 * unit)) for j, unit in enumerate(units)]
    parameters = model.family.parameters
    at = len(bound.priors) - len(parameters)
    guesses += [(at + j, found.residual) for j, one in enumerate(parameters) if one.in_units_of_response]
    for place, guess in guesses:
        if bound.priors[place].bounds == ABOVE_ZERO:
            point[place] = np.log(guess)
    return point


def _initial(dim: int, start: Array | None) -> Callable[[Any], Array]:
    """Return a function of a seed: where a chain starts, within ±1 of a coordinate of the start, 0 without one."""

    def initial(seed: Any) -> Array:
        jitter = np.random.default_rng(seed).uniform(-1, 1, dim)
        if start is None:
            return jitter
        return np.where(start == 0, jitter, start)

    return initial


def posterior_shapes(model: Model) -> dict[str, tuple[int, ...]]:
    """Return the shape of every variable of the posterior, in the order of `variable_names`."""
    sizes = {name: len(values) for name, values in posterior_coords(model).items()}
    return {name: tuple(sizes[dim] for dim in dims) for name, dims in posterior_dims(model).items()}
