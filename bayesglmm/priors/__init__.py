"""Priors: objects, their string form, defaults and presets."""

from bayesglmm.priors.defaults import PRESETS, Assigned, Preset
from bayesglmm.priors.distributions import (
    ABOVE_ZERO,
    DISTRIBUTIONS,
    LKJ,
    WHOLE_LINE,
    Beta,
    Cauchy,
    Exponential,
    Flat,
    Gamma,
    HalfCauchy,
    HalfNormal,
    HalfStudentT,
    InvGamma,
    Laplace,
    LogNormal,
    Normal,
    Prior,
    StudentT,
    Uniform,
)
from bayesglmm.priors.priors import Priors
from bayesglmm.priors.text import parse_prior

__all__ = [
    "ABOVE_ZERO",
    "DISTRIBUTIONS",
    "LKJ",
    "PRESETS",
    "WHOLE_LINE",
    "Assigned",
    "Beta",
    "Cauchy",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "InvGamma",
    "Laplace",
    "LogNormal",
    "Normal",
    "Preset",
    "Prior",
    "Priors",
    "StudentT",
    "Uniform",
    "parse_prior",
]
