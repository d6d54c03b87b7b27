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
    TruncatedGamma,
    Uniform,
)
from bayesglmm.priors.own import Custom, custom
from bayesglmm.priors.powers import Power, Precision, Variance
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
    "Custom",
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
    "Power",
    "Precision",
    "Preset",
    "Prior",
    "Priors",
    "StudentT",
    "TruncatedGamma",
    "Uniform",
    "Variance",
    "custom",
    "parse_prior",
]
