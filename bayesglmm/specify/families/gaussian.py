"""Gaussian outcomes: V = σ²."""

import math

import numpy as np
from scipy import special

from bayesglmm.specify.families.base import Array, Cells, Family, Merge, Parameter, Pointer, Residual
from bayesglmm.specify.families.links import get_link

__all__ = ["GAUSSIAN"]


def _pairs(cell: Cells, y: Array, weight: Array) -> tuple[Cells, Array, Array]:
    """Return two rows a cell, at mean ± standard deviation with half its weight each; one where its y are equal.

    About any μ their weighted sum of squares is Σ (y − μ)² = n ((ȳ − μ)² + s²).
    """
    total = np.bincount(cell, weight)
    mean = np.bincount(cell, weight * y) / total
    mean += (
        np.bincount(cell, weight * (y - mean[cell])) / total
    )  # a second pass corrects the rounding of means far from 0
    spread = np.sqrt(np.bincount(cell, weight * (y - mean[cell]) ** 2) / total)
    two = np.flatnonzero(spread > 0)
    share = np.where(spread > 0, total / 2, total)
    cells = np.concatenate([np.arange(len(total)), two])
    return cells, np.concatenate([mean - spread, (mean + spread)[two]]), share[cells]


def _rows(
    n: int,
    y: Pointer,
    trials: Pointer,
    a: Pointer,
    b: Pointer,
    da: Pointer,
    db: Pointer,
    parameters: Pointer,
    d_eta: Pointer,
    d_parameters: Pointer,
) -> float:
    sigma = parameters[0]
    squares, weight = 0.0, 0.0
    for i in range(n):
        residual = (y[i] - a[i]) / sigma
        squares += trials[i] * residual * residual
        weight += trials[i]
        d_eta[i] = trials[i] * residual / sigma * da[i]
    d_parameters[0] += (squares - weight) / sigma
    return -0.5 * squares - weight * math.log(sigma)


GAUSSIAN = Family(
    name="gaussian",
    link=get_link("identity"),
    links=("identity", "log"),
    outcome_type="continuous",
    parameters=(
        Parameter(
            "sigma",
            "residual standard deviation, in units of the response; V = σ²",
            "half_student_t(3, 0, {scale})",
            {"brms": "half_student_t(3, 0, {brms})", "rstanarm": "exponential({rate})"},
        ),
    ),
    rules=(),
    variance=lambda mu, parameters, trials: parameters["sigma"] ** 2 + 0 * mu,
    draw=lambda rng, mu, parameters, trials: rng.normal(mu, parameters["sigma"]),
    cdf=lambda y, mu, parameters, trials: special.ndtr((y - mu) / parameters["sigma"]),
    distribution=lambda eta, link, parameters, trials: {"mu": link.tensor(eta), "sigma": parameters["sigma"]},
    pymc="Normal",
    notation="Normal({mu}, σ²)",
    rows=_rows,
    constant=lambda y, trials: -0.5 * math.log(2 * math.pi) * trials,
    merge=Merge(_pairs),
    effect={"log": "ratio of means"},
    residual=Residual(lambda parameters: np.square(parameters["sigma"]), "σ²", under=lambda link: link.additive),
)
