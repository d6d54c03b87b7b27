"""`find_joint_coordinates`: coordinates that standardise coefficients and random effects jointly, and the mode.

The other globals (sds, correlations, family parameters) are at the mode of their marginal, coefficients and effects
integrated out under the pseudo-data, as in restricted maximum likelihood; the pseudo-data are those at the conditional
mode of coefficients and effects. The two are found in turn until they agree.

References
----------
Breslow & Clayton (1993), JASA 88, 9-25 (penalised quasi-likelihood).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from bayesglmm.common.newton import Point, maximise
from bayesglmm.logdensity.arrow_matrix import clip_eigenvalues
from bayesglmm.logdensity.evaluator import STEP, Evaluator
from bayesglmm.logdensity.header import Coordinates, ModelData
from bayesglmm.logdensity.joint_precision import JointPrecision
from bayesglmm.logdensity.joint_pseudo_data import JointPseudoData
from bayesglmm.logdensity.whitening import Whitening
from bayesglmm.specify.priors import ABOVE_ZERO, Prior
from bayesglmm.specify.priors.numeric import log_density

__all__ = ["JointCoordinates", "find_joint_coordinates"]

type Array = NDArray[np.float64]

_LEAST_CURVATURE = 0.05
"""The least curvature by the other globals, which are logarithms: no posterior sd is taken to be above four or five."""

_ROUNDS, _SETTLED = 10, 0.02
"""The most rounds of pseudo-data and modes in turn, and the change of the other globals at which they end."""

_NARROW, _LARGEST_DROP = 0.5, 6.0
"""An sd gets a sign if the posterior sd of its logarithm is below the first and the log density at zero is lower than
at the mode by less than the second: the logarithm then has a lower tail much longer than its spread at the mode."""

_WORST = 1e100
"""In the place of an infinite objective, which the optimiser does not take."""


@dataclass(frozen=True, eq=False)
class JointCoordinates:
    """Coordinates in which coefficients and effects are standardised jointly.

    Parameters
    ----------
    coordinates
        The coordinates.
    sd_spread
        The approximate posterior sd of the logarithm of each sd, in the order of the blocks and their columns.
    """

    coordinates: Coordinates
    sd_spread: Array


def find_joint_coordinates(
    data: ModelData, density: Evaluator, start: Array, sds: Sequence[slice], units: Array, *, most: int
) -> JointCoordinates | None:
    """Find the mode and the coordinates there.

    Parameters
    ----------
    data
        The model, with random effects, and its rows.
    density
        Its density, every level non-centred.
    start
        (dim,) where to begin.
    sds
        The positions of the sds of each block among the coordinates.
    units
        (g,) a natural unit of each global.
    most
        The most products that a factorisation may take.

    Returns
    -------
    JointCoordinates or None
        None where the coordinates would cost too much, or no mode was found.
    """
    pseudo = JointPseudoData.of(data, density, start, sds, units, most=most)
    if pseudo is None:
        return None
    try:
        with np.errstate(all="ignore"):
            return _at_mode(pseudo, start[: density.shape.globals])
    except np.linalg.LinAlgError:  # beyond the range of doubles on the way
        return None


def _at_mode(pseudo: JointPseudoData, start: Array) -> JointCoordinates | None:
    """Find pseudo-data and the mode of the other globals in turn, and the coordinates there."""
    theta = start.copy()
    others = np.setdiff1d(np.arange(len(theta)), pseudo.coefficients)
    effects = [np.zeros(size) for size in pseudo.density.shape.blocks]
    for _ in range(_ROUNDS):
        conditioned = _Conditioned.of(pseudo, pseudo.at(theta, effects), others)
        before = theta[others]
        mode = conditioned.mode(before)
        inner = None if mode is None else conditioned.inner(mode)
        if mode is None or inner is None:
            return None
        theta[others] = mode
        theta[pseudo.coefficients], effects = inner
        if np.abs(mode - before).max(initial=0.0) < _SETTLED:
            break
    return _whitened(pseudo, pseudo.at(theta, effects, corrected=True), others, theta)


def _whitened(
    pseudo: JointPseudoData, joint: JointPrecision, others: NDArray[np.int64], theta: Array
) -> JointCoordinates | None:
    """Return the coordinates: signed sds where the prior allows, all globals but the coefficients standardised."""
    dim, plain = pseudo.density.dim, Coordinates.plain(pseudo.data.model)
    hessian = _Conditioned.of(pseudo, joint, others).hessian(theta[others])
    if not np.isfinite(hessian).all():
        return None
    spread = np.zeros(pseudo.density.shape.globals)
    spread[others] = np.sqrt(np.diag(np.linalg.inv(hessian)))
    signed = _signed(pseudo, joint, others, theta, spread)
    conditioned = _Conditioned.of(pseudo, joint, others, signed)
    middle = np.zeros(dim)
    middle[others] = theta[others]
    middle[list(signed)] = 0.0
    hessian = conditioned.hessian(middle[others])
    if not np.isfinite(hessian).all():
        return None
    at_zero = np.isin(others, list(signed))
    hessian[at_zero, :] = hessian[:, at_zero] = 0.0
    hessian[at_zero, at_zero] = 1.0
    rest = np.setdiff1d(np.arange(dim), others)
    whitening = Whitening(
        places=np.concatenate([others, rest]),
        middle=middle,
        core_root=np.linalg.inv(np.linalg.cholesky(clip_eigenvalues(hessian, _LEAST_CURVATURE))).T,
        leaf_roots=np.ones((1, 1, len(rest))),
        strips=np.zeros((len(others), len(rest), 1)),
    )
    sd_spread = np.concatenate([spread[place] for place in pseudo.sds])
    return JointCoordinates(replace(plain, whitening=whitening, joint=joint, signed=signed), sd_spread)


def _signed(
    pseudo: JointPseudoData, joint: JointPrecision, others: NDArray[np.int64], theta: Array, spread: Array
) -> dict[int, float]:
    """Return the sds to be given a sign, with their modes: the logarithm is narrow there, with a tail towards zero."""
    signed: dict[int, float] = {}
    for number in (number for number in _signable(pseudo) if spread[number] < _NARROW):
        mode = {number: float(np.exp(theta[number]))}
        conditioned, x = _Conditioned.of(pseudo, joint, others, mode), theta.copy()
        x[number] = np.arcsinh(1.0)
        at_mode = conditioned.objective(x[others])[0]
        x[number] = 0.0
        if conditioned.objective(x[others])[0] - at_mode < _LARGEST_DROP:
            signed |= mode
    return signed


def _signable(pseudo: JointPseudoData) -> list[int]:
    """Return the numbers of the sds whose prior density at zero is finite and not zero."""
    numbers = [number for place in pseudo.sds for number in range(place.start, place.stop)]
    model = pseudo.data.model
    priors = [assigned.prior for block in model.design.blocks for assigned in model.priors.sd[block.name]]
    return [
        number
        for number, prior in zip(numbers, priors, strict=True)
        if prior.bounds == ABOVE_ZERO and _finite_at_zero(prior)
    ]


def _finite_at_zero(prior: Prior) -> bool:
    """Whether the density of a prior above zero is finite and not zero there."""
    near, nearer = (float(log_density(prior, np.array([x]))[0]) for x in (1e-200, 1e-300))
    return bool(np.isfinite(near) and abs(near - nearer) < 1e-6)


@dataclass(frozen=True, eq=False)
class _Conditioned:
    """The density with coefficients and effects standardised by pseudo-data, as a function of the other globals."""

    pseudo: JointPseudoData
    density: Evaluator
    others: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        pseudo: JointPseudoData,
        joint: JointPrecision,
        others: NDArray[np.int64],
        signed: Mapping[int, float] | None = None,
    ) -> "_Conditioned":
        plain, rows = Coordinates.plain(pseudo.data.model), pseudo.density.rows
        bound = pseudo.data.bound(replace(plain, joint=joint, signed=signed or {}))
        return cls(pseudo, Evaluator(bound.header, bound.kept, rows, pseudo.density.shape), others)

    def coordinates(self, theta: Array) -> Array:
        """Return the coordinates (dim,) at which coefficients and effects have their mean given the other globals."""
        x = np.zeros(self.density.dim)
        x[self.others] = theta
        return x

    def objective(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log density, and its gradient."""
        value, gradient = self.density(self.coordinates(theta))
        return (-value, -gradient[self.others]) if np.isfinite(value) else (_WORST, np.zeros(len(theta)))

    def mode(self, start: Array) -> Array | None:
        """Return the mode of the other globals, logarithms being within 8 of the start; None if there is none."""
        if not len(start):
            return start
        bounds = [(x - 8.0, x + 8.0) for x in start]
        result = optimize.minimize(self.objective, start, jac=True, method="L-BFGS-B", bounds=bounds)
        return result.x if result.fun < _WORST else None

    def inner(self, theta: Array) -> tuple[Array, list[Array]] | None:
        """Return coefficients (c,) and effects (m, k) a block at their mode given the other globals.

        In these coordinates minus the Hessian is near the unit matrix, so that the gradient is about Newton's step.
        """

        def newton(point: Point) -> Array:
            step = point.gradient.copy()
            step[self.others] = 0.0
            return step

        point = maximise(self.density, newton, self.coordinates(theta), steps=50, least_gain=1e-6, halvings=20)
        return self.pseudo.expanded(self.density, point.x) if np.isfinite(point.value) else None

    def hessian(self, theta: Array) -> Array:
        """Return minus the Hessian by the other globals, made positive definite."""
        t = len(theta)
        steps = STEP * np.eye(t)
        slopes = [(self.objective(theta + s)[1] - self.objective(theta - s)[1]) / (2 * STEP) for s in steps]
        hessian = np.reshape(slopes, (t, t))
        return clip_eigenvalues((hessian + hessian.T) / 2, _LEAST_CURVATURE)
