"""`WorkingRows`: the normal log likelihood of a working response, by which PQL stands for that of the rows.

With μ = g⁻¹(η), the working response is Y = η + (y − μ) dη/dμ, its weights w = (dμ/dη)² / V(μ), and Y | η ~ N(η, φ/w).

References
----------
Breslow & Clayton (1993), Journal of the American Statistical Association 88, 9-25.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import FamilyError
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.rows import Curvatures, Slopes
from bayesglmm.specify.families import Family

__all__ = ["WorkingRows", "check_quasi_likelihood"]

type Array = NDArray[np.float64]

_LEAST_WEIGHT = 1e-12
"""The least weight relative to the largest: rows at the edge of the range of μ have none."""


@dataclass(frozen=True, eq=False)
class WorkingRows:
    """Rows with a normal log likelihood of η; with one parameter it is the dispersion φ, with none φ = 1.

    Parameters
    ----------
    response, weight
        (n,) Y and w.
    count
        (n,) the weight of the row in the data.
    """

    response: Array
    weight: Array
    count: Array

    @classmethod
    def at(cls, data: Data, eta: Array) -> "WorkingRows":
        """Return the working response and its weights at a linear predictor (n,)."""
        family = data.family
        mu, slope = family.link.inverse(eta), family.link.slope(eta)
        variance = _unit_variance(family, mu, data.trials)
        mean, mean_slope = data.trials * mu, data.trials * slope
        weight = np.square(mean_slope) / variance
        sure = np.isfinite(weight) & (weight > _LEAST_WEIGHT * np.nanmax(weight))
        response = np.where(sure, eta + (data.y - mean) / np.where(sure, mean_slope, 1.0), eta)
        return cls(response, np.where(sure, weight, 0.0) * data.weight, data.weight)

    def slopes(self, eta: Array, parameters: Array) -> Slopes:
        """See `RowLikelihood.slopes`."""
        phi = parameters[0] if len(parameters) else 1.0
        residual = self.response - eta
        squares = self.weight * np.square(residual) / phi
        value = -(squares + self.count * np.log(2 * np.pi * phi)) / 2
        by_phi = (squares - self.count)[None] / (2 * phi)
        return Slopes(value, self.weight * residual / phi, by_phi[: len(parameters)])

    def with_weight(self, eta: Array, parameters: Array) -> tuple[Array, Array, Array]:
        """See `RowLikelihood.with_weight`."""
        at = self.slopes(eta, parameters)
        return at.value, at.eta, self.weight / (parameters[0] if len(parameters) else 1.0)

    def curvatures(self, eta: Array, parameters: Array) -> tuple[Array, Array, Array, Curvatures]:
        """See `RowLikelihood.curvatures`."""
        value, slope, weight = self.with_weight(eta, parameters)
        by_parameters = self.slopes(eta, parameters).parameters.sum(axis=1)
        by_phi = [-of_rows[None] / parameters[0] if len(parameters) else eta[None][:0] for of_rows in (slope, weight)]
        return value, slope, by_parameters, Curvatures(weight, np.zeros_like(weight), *by_phi)


def _unit_variance(family: Family, mu: Array, trials: Array, parameter: float = 1.0) -> Array:
    """Return the variance of outcomes (n,) where the family's parameters are 1."""
    parameters = {each.name: np.full(1, parameter) for each in family.parameters}
    return np.asarray(family.variance(mu, parameters, trials))


def check_quasi_likelihood(family: Family) -> None:
    """Refuse families whose variance is no product of a dispersion and a function of the mean.

    Raises
    ------
    FamilyError
        Naming the family.
    """
    mu = np.array([0.2, 0.5, 0.7])
    ratio = _unit_variance(family, mu, np.ones(3), 3.0) / _unit_variance(family, mu, np.ones(3), 2.0)
    if len(family.parameters) > 1 or not np.allclose(ratio, ratio[0]):
        raise FamilyError(
            f'method="pql" needs a variance of the form φ V(μ), which the {family.name} family has not; use '
            'method="laplace"'
        )
