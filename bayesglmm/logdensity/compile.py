"""`compile_density(model)`: a model as a compiled log density, in coordinates chosen for it.

The coordinates are found at the mode of the Laplace-approximated marginal posterior, and are one of three:

    joint      coefficients and effects standardised together at the current sds: where sds are uncertain (a factor
               of at most 9 levels, or several factors) and the factorisation costs no more than the rows
    whitened   each block standardised by its pseudo-data, then all coordinates by a linear map: otherwise
    plain      those of the PyMC graph, effects non-centred: where no mode is found, and for the prior alone

The posterior is the same in all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.arrow_matrix import Arrow, Shape, clip_eigenvalues
from bayesglmm.logdensity.data_rows import Rows
from bayesglmm.logdensity.evaluator import FLOOR, Evaluator, curvature
from bayesglmm.logdensity.header import Bound, Coordinates, ModelData, sd_places
from bayesglmm.logdensity.joint_coordinates import find_joint_coordinates
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

_MOST_CORE, _MOST_CROSS = 400, 1_000_000
"""The most effects in the core, and of these times coordinates of leaves: beyond, the linear map costs too much."""

_FEW_LEVELS, _UNCERTAIN = 9, 0.28
"""Joint coordinates are tried for factors of at most so many levels, and used if the posterior sd of the logarithm of
an sd is above the second."""

_MOST_PRODUCTS, _LEAST_WORK = 1_000_000, 500
"""The most products of a factorisation at every step; the work of the density besides its rows, in products."""


@dataclass(frozen=True, eq=False)
class CompiledDensity:
    """A model's log density as machine code, with what a sampler needs to use it.

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
        Why no mode was found; empty otherwise.
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
    model: Model, starts: Mapping[str, Any], *, prior_only: bool = False, joint: bool | None = None
) -> CompiledDensity:
    """Return a model's log density in coordinates chosen for it.

    Parameters
    ----------
    model
        The model.
    starts
        Values of the centred `intercept` and the `slopes`, by name: the start of the search for the mode, and of
        the chains where no mode was found.
    prior_only
        Whether to leave the likelihood out.
    joint
        As in `find_coordinates`.

    Raises
    ------
    InterfaceError
        If numba is not as the density needs it.
    """
    rows = Rows.best(model)
    result = "" if prior_only else find_coordinates(model, starts, rows, joint=joint)
    coordinates, why_plain = (None, result) if isinstance(result, str) else (result, "")
    bound = Bound.of(model, coordinates, rows=rows, prior_only=prior_only)
    start = _initial(bound.dim, None if coordinates else _start(model, bound, starts))
    name = "plain" if coordinates is None else "whitened" if coordinates.joint is None else "joint"
    return CompiledDensity(bound, posterior_shapes(model), start, rows.n, name, why_plain)


def find_coordinates(
    model: Model, starts: Mapping[str, Any], rows: Rows | None = None, *, joint: bool | None = None
) -> Coordinates | str:
    """Choose coordinates from the mode; or return, as a text, why there are none.

    Whitened coordinates standardise each block by its own pseudo-data, then all coordinates by a linear map. Joint
    coordinates standardise coefficients and effects jointly at the current sds; they are chosen where sds are uncertain
    (few levels, or several factors) and the factorisation costs no more than the rows do. With `joint` True they are
    taken wherever possible, with False nowhere.
    """
    rows = rows or Rows.of(model)
    data = ModelData.of(model, rows)
    bound = data.bound()
    density, start, units = _evaluator(model, bound, rows), _start(model, bound, starts), _natural_units(model, bound)
    if joint or (joint is None and _uncertain_sds(model)):
        most = _MOST_PRODUCTS if joint else _cost(density)
        standardised = find_joint_coordinates(data, density, start, sd_places(model), units, most=most)
        if standardised is not None and (joint or standardised.sd_spread.max() > _UNCERTAIN):
            return standardised.coordinates
    shape = density.shape
    effects = shape.core - shape.globals
    if effects > _MOST_CORE or effects * shape.leaves[0] * shape.leaves[1] > _MOST_CROSS:
        return "too many levels of several factors"
    result = marginal_mode(density, start, units)
    if isinstance(result, str):
        return result
    mode, marginal = result
    information, linear = pseudo_data(density, mode, sd_places(model))
    density = _evaluator(model, data.bound(Coordinates(information, linear)), rows)
    middle = mode.copy()
    middle[shape.globals :] = 0.0  # the standardised effects at the mode
    arrow = curvature(density, middle, units)
    return Coordinates(information, linear, whitening(middle, arrow, _core_marginal(arrow, marginal)))


def _natural_units(model: Model, bound: Bound) -> Array:
    """Return a natural unit of each global, (g,): coefficients from the scales of response and predictors, 1 else."""
    units, data_scales = np.ones(len(bound.priors)), scales(model.design, model.family)
    first = int(model.design.has_intercept)
    units[:first] = data_scales.response
    units[first : first + len(data_scales.slopes)] = data_scales.response / np.array(data_scales.slopes)
    return units


def _uncertain_sds(model: Model) -> bool:
    """Whether the posterior of an sd may be too wide for a linear map: few levels, or several factors."""
    blocks = model.design.blocks
    several = len({block.factor for block in blocks}) > 1
    return several or any(len(block.levels) <= _FEW_LEVELS for block in blocks)


def _cost(density: Evaluator) -> int:
    """Return the number of products of a factorisation that costs about as much as the density itself."""
    rows, shape = density.rows, density.shape
    columns = int(rows.x.shape[1]) + sum(int(z.shape[1]) for z in rows.z) + 3
    cross = (shape.core - shape.globals) * shape.leaves[0] * shape.leaves[1]
    return min(_MOST_PRODUCTS, rows.n * columns + cross + _LEAST_WORK)


def _core_marginal(arrow: Arrow, marginal: Array) -> Array:
    """Return the curvature of the core's marginal (c, c), from that of the globals' marginal (g, g)."""
    core, g = arrow.schur(), len(marginal)
    core[g:, g:] = clip_eigenvalues(core[g:, g:], FLOOR)
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
    """Return coordinates to begin at: coefficients at `starts`, sds at half the scale of η, the rest at 0."""
    first, data_scales = int(model.design.has_intercept), scales(model.design, model.family)
    places = {"intercept": slice(0, first), "slopes": slice(first, first + len(model.priors.slopes))}
    point = np.zeros(bound.dim)
    for name, start in starts.items():
        point[places[name]] = start
    guesses: list[tuple[int, float]] = []
    for sds, units in zip(sd_places(model), data_scales.blocks, strict=True):
        guesses += [(sds.start + j, data_scales.response / (2 * unit)) for j, unit in enumerate(units)]
    parameters = enumerate(model.family.parameters, start=len(bound.priors) - len(model.family.parameters))
    guesses += [(place, data_scales.residual) for place, parameter in parameters if parameter.in_units_of_response]
    for place, guess in guesses:
        if bound.priors[place].bounds == ABOVE_ZERO:
            point[place] = np.log(guess)
    return point


def _initial(dim: int, start: Array | None) -> Callable[[Any], Array]:
    """Return from a seed where a chain starts: coordinates of the start that are not 0, the others uniform on ±1."""

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
