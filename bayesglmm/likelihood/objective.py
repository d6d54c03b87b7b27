"""`Objective`: the log likelihood of a model as a function of θ, with its gradient."""

from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from bayesglmm.likelihood.coordinates import Coordinates, Parts
from bayesglmm.likelihood.data import Data
from bayesglmm.likelihood.group_integrals import GroupIntegrals, Integrated
from bayesglmm.likelihood.rows import RowLikelihood
from bayesglmm.specify.model import Model

__all__ = ["Method", "Objective"]

type Array = NDArray[np.float64]
type Method = Literal["glm", "quadrature", "laplace"]


class Objective:
    """The log likelihood of θ (`Coordinates`), constants included, with random effects integrated out.

    The search for the modes of the effects begins where that of the last call ended, so that values at the same θ
    may differ by rounding.

    Parameters
    ----------
    model
        The model; its priors are not read.
    nodes
        The points of the quadrature a dimension; 1 for Laplace's approximation.
    """

    def __init__(self, model: Model, nodes: int = 1) -> None:
        self.model, self.nodes = model, nodes
        self.coordinates = Coordinates.of(model)
        data = Data.of(model)
        if model.design.blocks:
            self.data, self.groups = _by_groups(data)
            self._integrals = GroupIntegrals(self.data, np.concatenate(self.data.z, axis=1), self.groups, nodes)
            self._start = np.zeros((self._integrals.m, self._integrals.q))
        else:
            self.data = data
        self.rows = RowLikelihood(self.data)
        self.constant = _constant(model, self.rows, self.data)

    def value(self, theta: Array) -> float:
        """Return the log likelihood, −inf where it is not defined."""
        return self.value_and_gradient(theta)[0]

    def gradient(self, theta: Array) -> Array:
        """Return its derivatives by θ, (d,)."""
        return self.value_and_gradient(theta)[1]

    def value_and_gradient(self, theta: Array) -> tuple[float, Array]:
        """Return the log likelihood and its gradient (d,); −inf and zeros where it is not defined."""
        at = self.coordinates.split(np.asarray(theta, dtype=np.float64))
        with np.errstate(all="ignore"):
            value, by_parts = self.without_effects(at) if not self.data.z else self._with_groups(at)
        gradient = self.coordinates.gradient(by_parts, at)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return -np.inf, np.zeros(len(gradient))
        return value + self.constant, gradient

    def integrated(self, theta: Array) -> Integrated:
        """Return the integrals of the groups, without the constant."""
        at = self.coordinates.split(np.asarray(theta, dtype=np.float64))
        with np.errstate(all="ignore"):
            return self._integrate(at)

    def effects(self, theta: Array) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return by block the conditional modes of b (m, k) and the sds of the normal approximation about them."""
        blocks, at = self.model.design.blocks, self.coordinates.split(theta)
        if not blocks:
            return {}, {}
        result, root = self.integrated(theta), block_diag(*at.roots)
        back = root @ np.swapaxes(np.linalg.inv(result.spread), 1, 2)
        m, levels = self.data.levels[0], self.data.index[0]
        modes, sds = np.zeros((m, len(root))), np.tile(np.sqrt(np.square(root).sum(axis=1)), (m, 1))
        modes[levels], sds[levels] = (
            values[self.groups] for values in (result.modes @ root.T, np.sqrt(np.square(back).sum(axis=2)))
        )
        places = np.cumsum([0, *(block.size for block in blocks)])
        named = [(block.name, slice(*pair)) for block, pair in zip(blocks, pairwise(places.tolist()), strict=True)]
        return {name: modes[:, part] for name, part in named}, {name: sds[:, part] for name, part in named}

    def _integrate(self, at: Parts) -> Integrated:
        base = self.data.offset + self.data.x @ at.beta
        result = self._integrals.at(base, block_diag(*at.roots), at.parameters, self._start)
        if np.isfinite(result.value):
            self._start = result.modes
        return result

    def _with_groups(self, at: Parts) -> tuple[float, Parts]:
        result = self._integrate(at)
        roots, first = [], 0
        for root in at.roots:
            last = first + len(root)
            roots.append(result.by_root[first:last, first:last])
            first = last
        return result.value, Parts(self.data.x.T @ result.by_eta, tuple(roots), result.by_parameters)

    def without_effects(self, at: Parts) -> tuple[float, Parts]:
        """Return the log likelihood where every effect is 0, without the constant, and its derivatives."""
        eta = self.data.offset + self.data.x @ at.beta
        slopes = self.rows.slopes(eta[None], at.parameters)
        by_parameters = slopes.parameters.sum(axis=(1, 2))
        return float(slopes.value.sum()), Parts(self.data.x.T @ slopes.eta[0], (), by_parameters)


def _by_groups(data: Data) -> tuple[Data, NDArray[np.int64]]:
    """Return the rows in the order of their groups, and the group of each, numbered without a gap."""
    order = np.argsort(data.index[0], kind="stable")
    ordered = data.take(order)
    _, groups = np.unique(ordered.index[0], return_inverse=True)
    return ordered, groups.astype(np.int64)


def _constant(model: Model, rows: RowLikelihood, data: Data) -> float:
    """Return what is added to the rows' log likelihood: the family's constants, and what merging rows left out."""
    outcome = model.design.outcome
    assert outcome is not None
    weight, trials = outcome.weights_or_ones, outcome.trials_or_ones
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
