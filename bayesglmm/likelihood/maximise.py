"""`maximise(model)`: the maximum of the likelihood, as plain numbers."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import choose
from bayesglmm.likelihood.objective import Objective
from bayesglmm.likelihood.search import Ascent, ascend
from bayesglmm.likelihood.start import start
from bayesglmm.specify.model import Model

__all__ = ["METHODS", "Maximum", "Method", "maximise"]

type Array = NDArray[np.float64]
type Method = Literal["quadrature", "laplace", "pql"]

METHODS: tuple[Method, ...] = ("quadrature", "laplace", "pql")


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
        The log likelihood, constants included.
    b_modes, b_sds
        By block (m, k) the conditional modes of the random effects at the maximum, and the standard deviations of the
        normal approximation about them; scale of the linear predictor.
    converged
        Whether no step is left to gain.
    messages
        What limits the result, in clauses.
    evaluations
        The number of evaluations of the log likelihood with its gradient.
    gain
        What the log likelihood could still gain by its second-order expansion where the search ended, before Newton's
        last step.
    """

    model: Model
    method: str
    nodes: int | None
    restricted: bool
    beta: Array
    beta_covariance: Array
    covariance_factors: tuple[Array, ...]
    parameters: dict[str, float]
    theta: Array
    theta_names: tuple[str, ...]
    hessian: Array
    loglik: float
    b_modes: dict[str, Array]
    b_sds: dict[str, Array]
    converged: bool
    messages: tuple[str, ...]
    evaluations: int
    gain: float
    log_likelihood: Objective


def maximise(
    model: Model, *, method: Method = "quadrature", nodes: int | None = None, restricted: bool = False
) -> Maximum:
    """Maximise the likelihood of a model; priors are not read.

    Parameters
    ----------
    model
        The model.
    method
        How random effects are integrated out: `"quadrature"`, adaptive Gauss-Hermite; `"laplace"`.
    nodes
        Points of the quadrature a dimension.
    restricted
        Whether the likelihood is restricted: coefficients integrated out too. For Gaussian outcomes that is REML.

    Returns
    -------
    Maximum

    Raises
    ------
    OptionError
        For a method or a number of nodes that is none, or quadrature where it is not possible.
    """
    choose("method", method, METHODS)
    points = 1 if method == "laplace" or not model.design.blocks else nodes or 25
    objective = Objective(model, points, restricted=restricted)
    ascent = ascend(objective.value_and_gradient, *start(objective))
    return _maximum(objective, ascent, method if model.design.blocks else "glm")


def _maximum(objective: Objective, ascent: Ascent, method: str) -> Maximum:
    coordinates, model = objective.coordinates, objective.model
    signs = coordinates.signs(ascent.x)
    theta, hessian = ascent.x * signs, ascent.information * np.outer(signs, signs)
    at, effects, p = coordinates.split(theta), objective.effects(theta), coordinates.coefficients
    names = [block.name for block in model.design.blocks]
    named = zip(model.family.parameters, at.parameters.tolist(), strict=True)
    covariance = effects.covariance if objective.restricted else inverse(hessian)[:p, :p]
    return Maximum(
        model=model,
        method=method,
        restricted=objective.restricted,
        nodes=objective.nodes if method == "quadrature" else None,
        beta=effects.beta if objective.restricted else at.beta,
        beta_covariance=covariance,
        covariance_factors=at.roots,
        parameters={parameter.name: value for parameter, value in named},
        theta=theta,
        theta_names=coordinates.names,
        hessian=hessian,
        loglik=ascent.value,
        b_modes=dict(zip(names, effects.modes, strict=True)),
        b_sds=dict(zip(names, effects.sds, strict=True)),
        converged=ascent.converged,
        messages=(),
        evaluations=ascent.evaluations,
        gain=ascent.gain,
        log_likelihood=objective,
    )


def inverse(hessian: Array) -> Array:
    """Return the inverse of an information matrix, NaN where it is not positive definite."""
    try:
        np.linalg.cholesky(hessian)
        return np.asarray(np.linalg.inv(hessian))
    except np.linalg.LinAlgError:
        return np.full_like(hessian, np.nan)
