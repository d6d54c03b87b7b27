"""`maximise(model)`: the maximum of the likelihood, as plain numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import OptionError, choose
from bayesglmm.likelihood.findings import (
    NOT_CONVERGED,
    SETTLED,
    Finding,
    boundaries,
    clipped,
    of_information,
    unsettled,
)
from bayesglmm.likelihood.integrated import Effects
from bayesglmm.likelihood.methods import METHODS, Method
from bayesglmm.likelihood.nodes import MOST_NODES, change_with_more, settled
from bayesglmm.likelihood.objective import Objective, check_quadrature
from bayesglmm.likelihood.pql import penalised_quasi_likelihood
from bayesglmm.likelihood.search import Ascent, ascend, natural_units
from bayesglmm.likelihood.start import start
from bayesglmm.specify.model import Model

__all__ = ["Maximum", "maximise"]

type Array = NDArray[np.float64]

_CHANGE = 1e-3
"""The change of the log likelihood with more points at which a number that was asked for is said to be too small."""


@dataclass(frozen=True, eq=False)
class Maximum:
    """The maximum of a likelihood: plain numbers.

    Parameters
    ----------
    model
        What was fitted; its priors are not read.
    method
        `"quadrature"`, `"laplace"`, `"pql"`, or `"glm"` where there are no random effects.
    nodes
        Points of the quadrature a dimension; None for other methods.
    change_with_more_nodes
        By how much the log likelihood at the maximum changes with about half as many points again; None for other
        methods, and for one point.
    restricted
        Whether the coefficients are integrated out too; `theta` is then without them.
    beta
        (p,) coefficients on the raw columns as the design names them.
    covariance_factors
        Per block the lower Cholesky factor of G.
    parameters
        Family parameters by name, on their own scale.
    theta, theta_names
        (d,) the vector in which the likelihood was maximised (`Coordinates`), and the names of its entries.
    beta_covariance
        (p, p) of the coefficients: of the inverse of `hessian`; where they are integrated out, of the normal
        approximation given the other parameters. NaN where `hessian` is not positive definite.
    hessian
        (d, d) minus the Hessian of the log likelihood there, the observed information.
    loglik
        The log likelihood, constants included; NaN for PQL.
    log_likelihood
        The log likelihood as a function of θ, with its gradient; None for PQL.
    b_modes, b_sds
        By block (m, k) the conditional modes of the random effects at the maximum, and the standard deviations of the
        normal approximation about them; scale of the linear predictor.
    converged
        Whether no step is left to gain.
    findings
        What limits the result.
    evaluations
        The number of evaluations of the log likelihood with its gradient.
    gain
        What the log likelihood could still gain by its second-order expansion where the search ended, before Newton's
        last step.
    """

    model: Model
    method: str
    nodes: int | None
    change_with_more_nodes: float | None
    restricted: bool
    beta: Array
    beta_covariance: Array
    covariance_factors: tuple[Array, ...]
    parameters: dict[str, float]
    theta: Array
    theta_names: tuple[str, ...]
    hessian: Array
    loglik: float
    log_likelihood: Objective | None
    b_modes: dict[str, Array]
    b_sds: dict[str, Array]
    converged: bool
    findings: tuple[Finding, ...]
    evaluations: int
    gain: float


def maximise(
    model: Model,
    *,
    method: Method = "quadrature",
    nodes: int | None = None,
    restricted: bool = False,
    dispersion: bool = True,
    near: Maximum | None = None,
) -> Maximum:
    """Maximise the likelihood of a model; priors are not read.

    Parameters
    ----------
    model
        The model. Without random effects the method is `"glm"`, whatever is asked for.
    method
        How random effects are integrated out: `"quadrature"`, adaptive Gauss-Hermite; `"laplace"`, Laplace's
        approximation; `"pql"`, penalised quasi-likelihood, which is no likelihood.
    nodes
        Points of the quadrature a dimension, 1 for Laplace's approximation; None for as many as the log likelihood
        needs not to move by 1e-6.
    restricted
        Whether the likelihood is restricted: coefficients integrated out too. For Gaussian outcomes that is REML.
    dispersion
        Of PQL, whether the dispersion is free, as in glmmPQL; it is 1 otherwise, as in Breslow & Clayton (1993).
    near
        A maximum of the same model with other outcomes, near which the search begins; its number of nodes is taken
        where none is given. PQL begins anew.

    Returns
    -------
    Maximum

    Raises
    ------
    OptionError
        For a method or a number of nodes that is none, or quadrature where it is not possible.
    FamilyError
        For PQL with a family whose variance is no product of a dispersion and a function of the mean.
    """
    choose("method", method, METHODS)
    _check_nodes(method, nodes)
    if method == "pql" and model.design.blocks:
        return _by_pql(model, restricted, dispersion)
    points = nodes or (None if near is None else near.nodes)
    if not model.design.blocks or method == "laplace" or points == 1:
        objective = Objective(model, restricted=restricted)
        return _maximum(objective, _ascent(objective, near), method if model.design.blocks else "glm")
    check_quadrature(model, restricted)
    if points is not None:
        objective = Objective(model, points)
        ascent = _ascent(objective, near)
        change = change_with_more(objective, ascent.x)
        return _maximum(objective, ascent, method, change, unsettled(points, change, _CHANGE))
    enough = settled(Objective(model))
    further = unsettled(enough.objective.nodes, enough.change, SETTLED)
    return _maximum(enough.objective, enough.ascent, method, enough.change, further)


def _ascent(objective: Objective, near: Maximum | None) -> Ascent:
    same = near is not None and near.theta_names == objective.coordinates.names
    if near is not None and same and np.isfinite(objective.value(near.theta)):
        return ascend(objective.value_and_gradient, near.theta, natural_units(near.hessian))
    return ascend(objective.value_and_gradient, *start(objective))


def _check_nodes(method: str, nodes: object) -> None:
    if nodes is None:
        return
    if method != "quadrature":
        raise OptionError(
            f'nodes={nodes!r} is of method="quadrature" alone, and the method is "{method}"; leave it out'
        )
    if isinstance(nodes, bool) or not isinstance(nodes, int) or not 1 <= nodes <= MOST_NODES:
        raise OptionError(f"nodes={nodes!r} is not a whole number from 1 to {MOST_NODES}, or None for enough")


def _maximum(
    objective: Objective, ascent: Ascent, method: str, change: float | None = None, further: tuple[Finding, ...] = ()
) -> Maximum:
    coordinates, model = objective.coordinates, objective.model
    signs = coordinates.signs(ascent.x)
    theta, hessian = ascent.x * signs, ascent.information * np.outer(signs, signs)
    at, effects, p = coordinates.split(theta), objective.effects(theta), coordinates.coefficients
    at_boundary = boundaries(coordinates, model.design.blocks, theta, hessian)
    found = (
        *at_boundary,
        *of_information(coordinates, hessian, ascent.flat * signs[:, None], bool(at_boundary)),
        *further,
        *clipped(objective.clipped(theta)),
        *(() if ascent.converged else (NOT_CONVERGED,)),
    )
    return Maximum(
        model=model,
        method=method,
        restricted=objective.restricted,
        nodes=objective.nodes if method == "quadrature" else None,
        change_with_more_nodes=change,
        beta=effects.beta if objective.restricted else at.beta,
        beta_covariance=effects.covariance if objective.restricted else _inverse(hessian)[:p, :p],
        covariance_factors=at.roots,
        parameters=dict(zip(_names(model), at.parameters.tolist(), strict=True)),
        theta=theta,
        theta_names=coordinates.names,
        hessian=hessian,
        loglik=ascent.value,
        log_likelihood=objective,
        **_by_block(model, effects),
        converged=ascent.converged,
        findings=found,
        evaluations=ascent.evaluations,
        gain=ascent.gain,
    )


def _by_pql(model: Model, restricted: bool, dispersion: bool) -> Maximum:
    quasi = penalised_quasi_likelihood(model, restricted=restricted, dispersion=dispersion)
    coordinates, p = quasi.coordinates, quasi.coordinates.coefficients
    signs = coordinates.signs(quasi.theta)
    theta, hessian = quasi.theta * signs, quasi.hessian * np.outer(signs, signs)
    at = coordinates.split(theta)
    at_boundary = boundaries(coordinates, model.design.blocks, theta, hessian)
    return Maximum(
        model=model,
        method="pql",
        restricted=restricted,
        nodes=None,
        change_with_more_nodes=None,
        beta=quasi.effects.beta if restricted else at.beta,
        beta_covariance=quasi.effects.covariance if restricted else _inverse(hessian)[:p, :p],
        covariance_factors=at.roots,
        parameters={"dispersion": float(at.parameters[0]) if len(at.parameters) else 1.0},
        theta=theta,
        theta_names=coordinates.names,
        hessian=hessian,
        loglik=np.nan,
        log_likelihood=None,
        **_by_block(model, quasi.effects),
        converged=quasi.converged,
        findings=(*at_boundary, *(() if quasi.converged else (NOT_CONVERGED,))),
        evaluations=quasi.rounds,
        gain=np.nan,
    )


def _names(model: Model) -> list[str]:
    return [parameter.name for parameter in model.family.parameters]


def _by_block(model: Model, effects: Effects) -> dict[str, Any]:
    names = [block.name for block in model.design.blocks]
    return {
        "b_modes": dict(zip(names, effects.modes, strict=True)),
        "b_sds": dict(zip(names, effects.sds, strict=True)),
    }


def _inverse(hessian: Array) -> Array:
    """Return the inverse of an information matrix, NaN where it is not positive definite."""
    try:
        np.linalg.cholesky(hessian)
        return np.asarray(np.linalg.inv(hessian))
    except np.linalg.LinAlgError:
        return np.full_like(hessian, np.nan)
