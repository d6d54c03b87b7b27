"""`RowLikelihood`: the weighted log likelihood of rows at linear predictors, with its derivatives.

The kernels of families give log f and its first derivatives, by η and by the family parameters. Further derivatives by
η are differences of these over five points, of fourth order in a step of a thousandth of the unit of η.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bayesglmm.compiled.kernels import family_call, link_call
from bayesglmm.compiled.workspace import CHUNK, WORK, Work
from bayesglmm.likelihood.data import Data

__all__ = ["Curvatures", "RowLikelihood", "Rows", "Slopes"]

type Array = NDArray[np.float64]

_STEP = 1e-3
"""The step of differences, in units of the linear predictor."""

_LEAST_STEP = 1e-7
"""The least step relative to |η|, so that η + h − η is h to enough digits."""


@dataclass(frozen=True, eq=False)
class Slopes:
    """The log likelihood of rows and its first derivatives.

    Parameters
    ----------
    value
        (k, n) the log likelihood of each row times its weight, without the family's constant.
    eta
        (k, n) derivatives by η.
    parameters
        (r, k, n) derivatives by the family parameters.
    """

    value: Array
    eta: Array
    parameters: Array

    def where(self, kept: NDArray[np.bool_]) -> "Slopes":
        """Return 0 in the place of what is not kept, (k, n)."""
        return Slopes(*(np.where(kept, values, 0.0) for values in (self.value, self.eta, self.parameters)))


@dataclass(frozen=True, eq=False)
class Curvatures:
    """Further derivatives of the log likelihood of rows at one η a row.

    Parameters
    ----------
    weight
        (n,) minus the second derivative by η.
    third
        (n,) the derivative of `weight` by η.
    slope_by_parameters
        (r, n) the derivative of ∂ log f/∂η by each family parameter.
    weight_by_parameters
        (r, n) the derivative of `weight` by each family parameter.
    """

    weight: Array
    third: Array
    slope_by_parameters: Array
    weight_by_parameters: Array


class Rows(Protocol):
    """A log likelihood of rows: `RowLikelihood`, or the working one of PQL."""

    def slopes(self, eta: Array, parameters: Array) -> Slopes: ...  # noqa: D102
    def with_weight(self, eta: Array, parameters: Array) -> tuple[Array, Array, Array]: ...  # noqa: D102
    def curvatures(self, eta: Array, parameters: Array) -> tuple[Array, Array, Array, Curvatures]: ...  # noqa: D102


class RowLikelihood:
    """The log likelihood of the rows of some data.

    Parameters
    ----------
    data
        The data; their order is that of η.
    """

    def __init__(self, data: Data) -> None:
        self.n, self.r = data.n, len(data.family.parameters)
        self._link, self._family = link_call(data.family.link.rows), family_call(data.family)
        around = np.arange(self.n + CHUNK) % self.n  # so that a chunk may run on from the last row to the first
        self._y = np.ascontiguousarray(data.y[around], dtype=np.float64)
        self._trials = np.ascontiguousarray(data.trials[around], dtype=np.float64)
        self._weight: Array | None = data.weight if (data.weight != 1.0).any() else None
        self._unit = data.unit
        self._work: Any = np.zeros((WORK + self.r, CHUNK))

    def slopes(self, eta: Array, parameters: Array) -> Slopes:
        """Return the log likelihood at linear predictors (k, n) and family parameters (r,)."""
        flat = np.ascontiguousarray(eta, dtype=np.float64).reshape(-1)
        phi = np.append(parameters, 0.0)  # never empty, so that it has an address
        out, work = np.empty((2 + self.r, len(flat))), self._work
        space, phi_address = work.ctypes.data, phi.ctypes.data
        y_address, trials_address = self._y.ctypes.data, self._trials.ctypes.data
        for start in range(0, len(flat), CHUNK):
            count = min(CHUNK, len(flat) - start)
            row = 8 * (start % self.n)
            work[Work.ETA, :count] = flat[start : start + count]
            self._link(count, space)
            self._family(count, y_address + row, trials_address + row, space, phi_address)
            out[:, start : start + count] = work[Work.LL :, :count]
        shaped = out.reshape(2 + self.r, -1, self.n)
        if self._weight is not None:
            shaped *= self._weight
        return Slopes(shaped[0], shaped[1], shaped[2:])

    def with_weight(self, eta: Array, parameters: Array) -> tuple[Array, Array, Array]:
        """Return log likelihood, derivative by η and minus the second derivative, all (n,), by three points."""
        h = self._steps(eta)
        at = self.slopes(np.stack([eta, eta + h, eta - h]), parameters)
        return at.value[0], at.eta[0], (at.eta[2] - at.eta[1]) / (2 * h)

    def curvatures(self, eta: Array, parameters: Array) -> tuple[Array, Array, Array, Curvatures]:
        """Return log likelihood and derivative by η (n,), sums (r,) of those by parameters, and further derivatives."""
        h = self._steps(eta)
        at = self.slopes(np.stack([eta, eta + h, eta - h, eta + 2 * h, eta - 2 * h]), parameters)
        further = -_first(at.eta, h), -_second(at.eta, h), _first(at.parameters, h), -_second(at.parameters, h)
        return at.value[0], at.eta[0], at.parameters[:, 0].sum(axis=1), Curvatures(*further)

    def _steps(self, eta: Array) -> Array:
        return np.maximum(_STEP * self._unit, _LEAST_STEP * np.abs(eta))


def _first(values: Array, h: Array) -> Array:
    """Return the derivative (…, n) of values (…, 5, n) at η, η ± h and η ± 2h."""
    up, down, up2, down2 = (values[..., point, :] for point in range(1, 5))
    return np.asarray((8 * (up - down) - (up2 - down2)) / (12 * h))


def _second(values: Array, h: Array) -> Array:
    """Return the second derivative, of the same values."""
    at, up, down, up2, down2 = (values[..., point, :] for point in range(5))
    return np.asarray((16 * (up + down) - (up2 + down2) - 30 * at) / (12 * h * h))
