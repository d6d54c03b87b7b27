"""Priors: objects, their string form, defaults and presets."""

from bayesglmm.specify.priors.defaults import PRESETS, Assigned, Preset
from bayesglmm.specify.priors.distributions import (
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
from bayesglmm.specify.priors.own import Custom, custom
from bayesglmm.specify.priors.powers import Power, Precision, Variance
from bayesglmm.specify.priors.priors import Priors
from bayesglmm.specify.priors.text import parse_prior

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
