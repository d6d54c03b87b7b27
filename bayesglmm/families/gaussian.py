"""Gaussian outcomes: V = σ²."""

import math

from bayesglmm.families.base import Family, Parameter, Pointer
from bayesglmm.links import get_link

__all__ = ["GAUSSIAN"]


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
    squares = 0.0
    for i in range(n):
        residual = (y[i] - a[i]) / sigma
        squares += residual * residual
        d_eta[i] = residual / sigma * da[i]
    d_parameters[0] += (squares - n) / sigma
    return -0.5 * squares - n * math.log(sigma)


GAUSSIAN = Family(
    name="gaussian",
    link=get_link("identity"),
    links=("identity", "log"),
    kind="continuous",
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
    distribution=lambda eta, link, parameters, trials: {"mu": link.tensor(eta), "sigma": parameters["sigma"]},
    pymc="Normal",
    notation="Normal({mu}, σ²)",
    rows=_rows,
    effect={"log": "ratio of means"},
)
