"""The model's log density and its gradient, compiled once for every model, in coordinates chosen for each."""

from bayesglmm.density.bind import Bound, Coordinates
from bayesglmm.density.compile import compile_density, find_coordinates, posterior_shapes, variables
from bayesglmm.density.evaluator import Evaluator
from bayesglmm.density.rows import Rows
from bayesglmm.density.total import Likelihood

__all__ = [
    "Bound",
    "Coordinates",
    "Evaluator",
    "Likelihood",
    "Rows",
    "compile_density",
    "find_coordinates",
    "posterior_shapes",
    "variables",
]
