"""`held_at(…)`: the likelihood maximised with one entry of θ held, of which profile likelihoods are made."""

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, suggest
from bayesglmm.likelihood.maximise import Maximum
from bayesglmm.likelihood.search import climb, natural_units

__all__ = ["held_at"]

type Array = NDArray[np.float64]


def held_at(maximum: Maximum, name: str, value: float, near: Array | None = None) -> tuple[float, Array]:
    """Return the log likelihood with an entry of θ held, maximised over the others, and θ (d,) there.

    Parameters
    ----------
    maximum
        The maximum over all entries.
    name
        One of `maximum.theta_names`.
    value
        What the entry is held at.
    near
        (d,) where the search begins; None for the maximum, moved as its Hessian says.

    Raises
    ------
    OptionError
        For an entry that is none, and for PQL, which has no likelihood.
    """
    if name not in maximum.theta_names:
        raise OptionError(f"name={name!r} is no entry of θ; {suggest(str(name), maximum.theta_names)}")
    objective = maximum.log_likelihood
    if objective is None:
        raise OptionError('PQL has no likelihood to be profiled; use method="quadrature" or method="laplace"')
    held = maximum.theta_names.index(name)
    others = np.delete(np.arange(len(maximum.theta)), held)
    units = natural_units(maximum.hessian[np.ix_(others, others)])
    theta = np.array(maximum.theta if near is None else near, dtype=np.float64)
    if near is None:
        theta[others] -= units @ (units.T @ maximum.hessian[others, held]) * (value - theta[held])
    theta[held] = value

    def function(x: Array) -> tuple[float, Array]:
        point = theta.copy()
        point[others] = x
        found, gradient = objective.value_and_gradient(point)
        return found, gradient[others]

    if not np.isfinite(function(theta[others])[0]):
        theta[others] = maximum.theta[others]
    if len(others):
        theta[others], _ = climb(function, theta[others], units)
    return objective.value(theta), theta
