"""`penalised_quasi_likelihood(model)`: PQL, linear mixed models of a working response until it no longer changes.

For binary outcomes and few rows a group it is biased towards 0: it is here to be compared with, and for what has been
published.

References
----------
Breslow & Clayton (1993), Journal of the American Statistical Association 88, 9-25.
Venables & Ripley (2002), Modern Applied Statistics with S, 4th ed., section 10.4: glmmPQL, with a free dispersion.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.likelihood.coordinates import Coordinates, Parts
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.integrated import Effects
from bayesglmm.likelihood.joint_integral import JointIntegral
from bayesglmm.likelihood.objective import Objective
from bayesglmm.likelihood.search import Function, climb, information
from bayesglmm.likelihood.start import start
from bayesglmm.likelihood.working_rows import WorkingRows, check_quasi_likelihood
from bayesglmm.specify.model import Model

__all__ = ["Quasi", "penalised_quasi_likelihood"]

type Array = NDArray[np.float64]

_ROUNDS = 200
_DISPERSION_UNIT = 0.3
"""The unit of log φ in first steps."""

_SETTLED = 1e-7
"""The largest change of a linear predictor, in its units, at convergence."""


@dataclass(frozen=True, eq=False)
class Quasi:
    """The estimates by PQL.

    Parameters
    ----------
    coordinates
        The parts of θ: the dispersion is its last where it is free.
    theta
        (d,) the estimates.
    hessian
        (d, d) minus the Hessian of the log likelihood of the last linear mixed model.
    effects
        The random effects, and coefficients where these are integrated out.
    rounds
        The number of linear mixed models.
    converged
        Whether the working response has settled.
    """

    coordinates: Coordinates
    theta: Array
    hessian: Array
    effects: Effects
    rounds: int
    converged: bool


def penalised_quasi_likelihood(model: Model, *, restricted: bool, dispersion: bool) -> Quasi:
    """Estimate by PQL.

    Parameters
    ----------
    model
        The model, with random effects.
    restricted
        Whether each linear mixed model is fitted by REML.
    dispersion
        Whether the dispersion φ is a free parameter, as in glmmPQL; it is 1 otherwise.

    Raises
    ------
    FamilyError
        For a family whose variance is not of the form φ V(μ).
    """
    check_quasi_likelihood(model.family)
    names = ("dispersion",) if dispersion or model.family.parameters else ()
    coordinates = Coordinates.of(model, without_beta=restricted, parameters=names)
    data = Data.of(model, merged=False)
    beta, theta, scale = _start(model, coordinates)
    eta = data.offset + data.x @ beta
    integral = JointIntegral(data, WorkingRows.at(data, eta), restricted=restricted)
    mode, converged, rounds = integral.start, False, 0
    while not converged and rounds < _ROUNDS:
        rounds += 1
        integral = integral.with_rows(WorkingRows.at(data, eta))
        function = _function(integral, coordinates, mode)
        theta, scale = climb(function, theta, scale)
        before, eta = eta, integral.linear_predictor(coordinates.split(theta), mode)
        converged = bool(np.abs(eta - before).max() < _SETTLED * data.unit)
    hessian = information(function, theta, scale)
    return Quasi(coordinates, theta, hessian, integral.effects(coordinates.split(theta), mode), rounds, converged)


def _start(model: Model, coordinates: Coordinates) -> tuple[Array, Array, Array]:
    """Return coefficients (p,), θ (d,) and natural units (d, d) to begin with."""
    objective = Objective(model)
    likelihood_theta, likelihood_scale = start(objective)
    at, first = objective.coordinates.split(likelihood_theta), objective.coordinates.first_parameter
    kept = slice(objective.coordinates.coefficients - coordinates.coefficients, first)
    dispersion = np.ones(len(coordinates.names) - coordinates.first_parameter)
    theta = coordinates.join(Parts(at.beta[: coordinates.coefficients], at.roots, dispersion))
    scale = np.diag(np.full(len(theta), _DISPERSION_UNIT))
    inner = coordinates.first_parameter
    scale[:inner, :inner] = likelihood_scale[kept, kept]
    return at.beta, theta, scale


def _function(integral: JointIntegral, coordinates: Coordinates, mode: Array) -> Function:
    """Return the log likelihood of a linear mixed model as a function of θ, with its gradient."""

    def function(theta: Array) -> tuple[float, Array]:
        at = coordinates.split(theta)
        result = integral.at(at, mode)
        return result.value, coordinates.gradient(result.by_parts, at)

    return function
