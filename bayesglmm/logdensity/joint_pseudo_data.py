"""`JointPseudoData`: at values of coefficients and effects, one joint normal log likelihood in the place of the rows.

As in penalised quasi-likelihood, each row stands for a normal observation of its linear predictor, whose precision is
minus the second derivative of the row's log likelihood.

References
----------
Breslow & Clayton (1993), JASA 88, 9-25 (penalised quasi-likelihood).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayesglmm.logdensity.evaluator import STEP, Evaluator
from bayesglmm.logdensity.header import ModelData, centre_of
from bayesglmm.logdensity.joint_precision import JointPattern, JointPrecision
from bayesglmm.logdensity.pseudo_data import pseudo_data
from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import WHOLE_LINE

__all__ = ["JointPseudoData"]

type Array = NDArray[np.float64]

_LEAST_PRECISION = 1e-6
"""The least precision of a coefficient's prior, in its natural units: flat priors have none."""


@dataclass(frozen=True, eq=False)
class JointPseudoData:
    """Pseudo-data of coefficients and effects, as a function of the point at which they are taken.

    Parameters
    ----------
    data
        The model, with its rows.
    density
        Its density, every level non-centred.
    sds
        The positions of the sds of each block among the coordinates.
    coefficients
        (c,) which globals are the coefficients that are standardised: those whose prior is on the whole line.
    columns
        (n, c) their columns, centred.
    pattern
        Where the entries of the precision are not zero.
    prior_precision
        (c,) the precision of their priors.
    """

    data: ModelData
    density: Evaluator
    sds: tuple[slice, ...]
    coefficients: NDArray[np.int64]
    columns: Array
    pattern: JointPattern
    prior_precision: Array

    @classmethod
    def of(
        cls, data: ModelData, density: Evaluator, start: Array, sds: Sequence[slice], units: Array, *, most: int
    ) -> "JointPseudoData | None":
        """Return those of a model; None if a factorisation takes more than `most` products.

        `start` (dim,) is where the curvature of the priors is taken, `units` (g,) a natural unit of each global.
        """
        model = data.model
        coefficients = _on_whole_line(model)
        ones = np.ones((density.rows.n, int(model.design.has_intercept)))
        columns = np.column_stack([ones, density.rows.x - centre_of(model)])[:, coefficients]
        pattern = JointPattern.of(density.rows, density.shape.blocks, columns, most)
        if pattern is None:
            return None
        precision = _prior_precision(data, density, coefficients, start, units)
        return cls(data, density, tuple(sds), coefficients, columns, pattern, precision)

    def at(self, theta: Array, effects: Sequence[Array], *, corrected: bool = False) -> JointPrecision:
        """Return the pseudo-data at globals (g,) and effects (m, k) a block.

        `corrected` reduces the weights of rows in levels whose information falls as the sds grow (`pseudo_data`).
        """
        rows, x = self.density.rows, self.columns
        weights, scores = self._weights_and_scores(theta, effects)
        if corrected:
            weights = weights * self._correction(theta, effects)
        eta = x @ theta[self.coefficients]
        for b, index, z in zip(effects, rows.index, rows.z, strict=True):
            eta += (b[index] * z).sum(axis=1)
        linear = []
        for score, index, z in zip(scores, rows.index, rows.z, strict=True):
            m, k = score.shape
            working = [np.bincount(index, weights * eta * z[:, j], m) for j in range(k)]
            linear.append(score + np.column_stack(working))
        of_coefficients = x.T @ (weights * eta) + self.prior_precision * theta[self.coefficients]
        return JointPrecision.of(
            self.pattern, self.coefficients, weights, self.prior_precision, (of_coefficients, linear)
        )

    def expanded(self, density: Evaluator, x: Array) -> tuple[Array, list[Array]]:
        """Return coefficients (c,), centred, and effects (m, k) a block, at coordinates x (dim,) of a density."""
        beta, effects = density.expanded(x)
        if self.data.model.design.has_intercept:
            beta[0] += centre_of(self.data.model) @ beta[1:]
        parts = np.split(effects, np.cumsum([m * k for m, k in density.shape.blocks])[:-1])
        return beta[self.coefficients], [b.reshape(size) for b, size in zip(parts, density.shape.blocks, strict=True)]

    def _weights_and_scores(self, theta: Array, effects: Sequence[Array]) -> tuple[Array, list[Array]]:
        """Return the weights of the rows, (n,), and the derivatives of the log likelihood by effects, (m, k) a block.

        They do not depend on the sds, and are taken at sds of 1: b = M z is solved for z, so M must not be small.
        """
        x = self._coordinates(theta, effects, unit_sds=True)
        weights, roots = self.density.weights_and_roots(x)
        gradient, scores = self.density(x)[1], []
        for number, (b, root) in enumerate(zip(effects, roots, strict=True)):
            place = self.density.shape.place(number)
            scores.append(np.linalg.solve(root.T, (gradient[place] + x[place]).reshape(b.shape).T).T)
        return np.maximum(weights, 0.0), scores

    def _coordinates(self, theta: Array, effects: Sequence[Array], *, unit_sds: bool = False) -> Array:
        """Return the coordinates (dim,) of globals and effects; with `unit_sds`, those of the sds at 0."""
        x = np.zeros(self.density.dim)
        x[: len(theta)] = theta
        if unit_sds:
            for place in self.sds:
                x[place] = 0.0
        _, roots = self.density.weights_and_roots(x)  # the roots do not depend on the effects
        for number, (b, root) in enumerate(zip(effects, roots, strict=True)):
            x[self.density.shape.place(number)] = np.linalg.solve(root, b.T).T.ravel()
        return x

    def _correction(self, theta: Array, effects: Sequence[Array]) -> Array:
        """Return a factor of each row's weight, (n,): the least ratio, corrected to not, of its levels' information."""
        x, rows = self._coordinates(theta, effects), self.density.rows
        factors = np.ones(rows.n)
        corrected, _ = pseudo_data(self.density, x, self.sds)
        for number, information in enumerate(corrected):
            uncorrected, root = self.density.information(x, number)
            numerator = np.einsum("ijm,ip,jp->m", information, root, root)
            ratio = numerator / np.einsum("mij,ip,jp->m", uncorrected, root, root)
            factors = np.minimum(factors, np.clip(np.nan_to_num(ratio, nan=1.0), 0.0, 1.0)[rows.index[number]])
        return factors


def _on_whole_line(model: Model) -> NDArray[np.int64]:
    """Return the numbers of the coefficients whose priors are on the whole line."""
    intercept = [] if model.priors.intercept is None else [model.priors.intercept]
    bounds = [assigned.prior.bounds for assigned in (*intercept, *model.priors.slopes)]
    return np.array([number for number, ends in enumerate(bounds) if ends == WHOLE_LINE], dtype=np.int64)


def _prior_precision(
    data: ModelData, density: Evaluator, coefficients: NDArray[np.int64], start: Array, units: Array
) -> Array:
    """Return minus the second derivatives of the log priors of coefficients, (c,), at least a little above zero."""
    bound = data.bound(prior_only=True)
    prior = Evaluator(bound.header, bound.kept, density.rows, density.shape)
    precision = np.empty(len(coefficients))
    for i, number in enumerate(coefficients):
        step = np.zeros(density.dim)
        step[number] = STEP * units[number]
        precision[i] = prior.slope(start, step)[number] / step[number]
    return np.maximum(np.nan_to_num(precision), _LEAST_PRECISION / units[coefficients] ** 2)
