"""`Objective`: the log likelihood of a model as a function of θ, with its gradient."""

from copy import copy

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import OptionError
from bayesglmm.likelihood.coordinates import Coordinates, Parts
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.group_integrals import GroupIntegrals
from bayesglmm.likelihood.integrated import Effects
from bayesglmm.likelihood.joint_integral import JointIntegral
from bayesglmm.likelihood.rows import RowLikelihood
from bayesglmm.marginalize.group_likelihood import integrated_in_full
from bayesglmm.marginalize.groups import MOST_EFFECTS
from bayesglmm.specify.model import Model

__all__ = ["Objective", "check_quadrature"]

type Array = NDArray[np.float64]


class Objective:
    """The log likelihood of θ (`Coordinates`), constants included, with random effects integrated out.

    The search for the modes of the effects begins where that of the last call ended, so that values at the same θ
    may differ by rounding.

    Parameters
    ----------
    model
        The model; its priors are not read.
    nodes
        The points of the quadrature a dimension; 1 for Laplace's approximation. Several are for models that
        `check_quadrature` accepts.
    restricted
        Whether the coefficients are integrated out too, under a flat prior; θ is then without them.
    """

    def __init__(self, model: Model, nodes: int = 1, *, restricted: bool = False) -> None:
        self.model, self.nodes, self.restricted = model, nodes, restricted
        self.coordinates = Coordinates.of(model, without_beta=restricted)
        self.data = Data.of(model)
        self.rows = RowLikelihood(self.data)
        self.constant = _constant(model, self.rows, self.data)
        self._integral = _integral(model, self.data, nodes, restricted)
        self._start = np.zeros(0) if self._integral is None else self._integral.start

    def with_nodes(self, nodes: int) -> "Objective":
        """Return the same log likelihood by another number of points."""
        other = copy(self)
        other.nodes, other._integral = nodes, _integral(self.model, self.data, nodes, self.restricted)
        return other

    def value(self, theta: Array) -> float:
        """Return the log likelihood, −inf where it is not defined."""
        return self.value_and_gradient(theta)[0]

    def gradient(self, theta: Array) -> Array:
        """Return its derivatives by θ, (d,)."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the log likelihood and its gradient (d,); −inf and zeros where it is not defined."""
        given = np.asarray(theta, dtype=np.float64)
        signs = self.coordinates.signs(given)  # so that the modes of the last call suit L with a column turned
        at = self.coordinates.split(given * signs)
        with np.errstate(all="ignore"):
            value, by_parts = self.without_effects(at) if self._integral is None else self._integrated(at)
            gradient = self.coordinates.gradient(by_parts, at) * signs
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return -np.inf, np.zeros(len(gradient))
        return value + self.constant, gradient

    def without_effects(self, at: Parts) -> tuple[float, Parts]:
        """Return the log likelihood where every effect is 0, without the constant, and its derivatives."""
        eta = self.data.offset + self.data.x @ at.beta
        slopes = self.rows.slopes(eta[None], at.parameters)
        by_parameters = slopes.parameters.sum(axis=(1, 2))
        return float(slopes.value.sum()), Parts(self.data.x.T @ slopes.eta[0], (), by_parameters)

    def effects(self, theta: Array) -> Effects:
        """Return the random effects given the outcomes, and the coefficients where these are integrated out."""
        if self._integral is None:
            return Effects((), (), np.zeros(0), np.zeros((0, 0)))
        with np.errstate(all="ignore"):
            return self._integral.effects(self.coordinates.split(theta * self.coordinates.signs(theta)), self._start)

    def clipped(self, theta: Array) -> int:
        """Return the number of integrals whose curvature at the mode is not the observed one, which is indefinite."""
        if self._integral is None:
            return 0
        with np.errstate(all="ignore"):
            at = self.coordinates.split(theta * self.coordinates.signs(theta))
            return self._integral.at(at, self._start).clipped

    def _integrated(self, at: Parts) -> tuple[float, Parts]:
        assert self._integral is not None
        result = self._integral.at(at, self._start)
        if np.isfinite(result.value):
            self._start = result.mode
        return result.value, result.by_parts


def check_quadrature(model: Model, restricted: bool) -> None:
    """Refuse quadrature where it is not possible.

    Raises
    ------
    OptionError
        Saying why.
    """
    effects = sum(block.size for block in model.design.blocks)
    if restricted:
        raise OptionError('the restricted likelihood is by Laplace\'s approximation alone; use method="laplace"')
    if not integrated_in_full(model.design):
        raise OptionError(
            "quadrature needs groups that are independent, all bars on one grouping factor; for crossed or nested "
            'factors use method="laplace"'
        )
    if effects > MOST_EFFECTS:
        raise OptionError(
            f"groups have {effects} random effects, and quadrature has a product rule for up to {MOST_EFFECTS}; use "
            'method="laplace"'
        )


def _integral(model: Model, data: Data, nodes: int, restricted: bool) -> GroupIntegrals | JointIntegral | None:
    if restricted or (data.z and not integrated_in_full(model.design)):
        return JointIntegral(data, RowLikelihood(data), restricted=restricted)
    return GroupIntegrals(data, nodes) if data.z else None


def _constant(model: Model, rows: RowLikelihood, data: Data) -> float:
    """Return what is added to the rows' log likelihood: the family's constants, and what merging rows left out."""
    outcome = model.design.outcome
    assert outcome is not None
    weight, trials = outcome.weights_or_ones, model.design.units
    counted = weight != 0
    constants = model.family.constant(outcome.y[counted], trials[counted])
    total = float((weight[counted] * constants).sum())
    if data.n == int(counted.sum()):
        return total
    every = Data.of(model, merged=False)
    beta, parameters = data.start_coefficients(), np.full(len(model.family.parameters), max(data.spread, 1.0))

    def at_start(likelihood: RowLikelihood, of: Data) -> float:
        return float(likelihood.slopes((of.offset + of.x @ beta)[None], parameters).value.sum())

    return total + at_start(RowLikelihood(every), every) - at_start(rows, data)
