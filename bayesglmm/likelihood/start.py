"""`start(objective)`: where the search for the maximum begins, and the units of its first steps."""

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import DataError
from bayesglmm.likelihood.coordinates import Parts
from bayesglmm.likelihood.objective import Objective
from bayesglmm.likelihood.search import approach
from bayesglmm.specify.families.base import Parameter

__all__ = ["start"]

type Array = NDArray[np.float64]

_PARAMETER, _PARAMETER_UNIT = 3.0, 0.3
"""A family parameter that is not in units of the response at the start, and the unit of its logarithm."""

_HALVINGS = 20
"""How often the sds at the start are halved where the likelihood is not defined, under links to positive means."""

_SD, _SD_UNIT = 0.7, 0.3
"""Standard deviations of random effects at the start, and their unit in first steps, in units of η."""


def start(objective: Objective) -> tuple[Array, Array]:
    """Return θ (d,) near the maximum without random effects, these with moderate sds, and natural units (d, d).

    Parameters
    ----------
    objective
        The log likelihood.

    Raises
    ------
    DataError
        If it is not defined at any θ that is tried.
    """
    data, coordinates = objective.data, objective.coordinates
    without, covariance = _without_effects(objective)
    p, first = coordinates.coefficients, coordinates.first_parameter
    roots, units = [], [np.zeros(0)]
    for z, size, (rows, _) in zip(data.z, coordinates.sizes, coordinates.entries, strict=True):
        length = data.unit / np.sqrt(np.average(np.square(z), axis=0, weights=data.weight))
        roots.append(np.diag(_SD * length).reshape(size, size))
        units.append(_SD_UNIT * length[rows])
    theta = coordinates.join(Parts(without[:p], tuple(roots), np.exp(without[data.x.shape[1] :])))
    scale = np.zeros((len(theta), len(theta)))
    kept = np.r_[np.arange(p), np.arange(data.x.shape[1], len(without))]  # without β where it is integrated out
    others = np.r_[np.arange(p), np.arange(first, len(theta))]
    scale[np.ix_(others, others)] = np.linalg.cholesky(covariance[np.ix_(kept, kept)])
    within = np.arange(p, first)
    scale[within, within] = np.concatenate(units)
    for _ in range(_HALVINGS):
        if np.isfinite(objective.value(theta)):
            return theta, scale
        theta[within] /= 2
        scale[within, within] /= 2
    raise DataError(
        "the likelihood is not defined where the search for its maximum begins: some linear predictors are outside the "
        f"range of the {data.family.link.name} link; choose another link"
    )


def _without_effects(objective: Objective) -> tuple[Array, Array]:
    """Return coefficients and logarithms of family parameters near the maximum without effects, and a covariance."""
    data = objective.data
    beta = data.start_coefficients()
    parameters = np.array([_at_start(parameter, data.spread) for parameter in data.family.parameters])
    weight = objective.rows.with_weight(data.offset + data.x @ beta, parameters)[2]
    sure = np.maximum(weight, 0.1 * np.abs(weight).mean() + 1e-300)
    scale = np.diag(np.full(len(beta) + len(parameters), _PARAMETER_UNIT))
    scale[: len(beta), : len(beta)] = np.linalg.inv(np.linalg.qr(np.sqrt(sure)[:, None] * data.x)[1])
    p = len(beta)

    def function(x: Array) -> tuple[float, Array]:
        at = Parts(x[:p], (), np.exp(x[p:]))
        value, by_parts = objective.without_effects(at)
        return value, np.concatenate([by_parts.beta, by_parts.parameters * at.parameters])

    x, units = approach(function, np.concatenate([beta, np.log(parameters)]), scale)
    return x, units @ units.T


def _at_start(parameter: Parameter, spread: float) -> float:
    return spread if parameter.in_units_of_response else _PARAMETER
