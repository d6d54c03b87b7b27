"""Priors: objects, their string form, defaults and presets.

Beside the names below, each distribution's class: `priors.Normal`, `priors.HalfStudentT`, ….
"""

from typing import Any

from bayesglmm.specify.priors.custom_density import Custom, custom
from bayesglmm.specify.priors.defaults import PRESETS, Assigned, Preset
from bayesglmm.specify.priors.distributions import CLASSES, DISTRIBUTIONS
from bayesglmm.specify.priors.powers import Power, Precision, Variance
from bayesglmm.specify.priors.prior import ABOVE_ZERO, WHOLE_LINE, Domain, Prior
from bayesglmm.specify.priors.priors import Priors
from bayesglmm.specify.priors.text import parse_prior

__all__ = [
    "ABOVE_ZERO",
    "CLASSES",
    "DISTRIBUTIONS",
    "PRESETS",
    "WHOLE_LINE",
    "Assigned",
    "Custom",
    "Domain",
    "Power",
    "Precision",
    "Preset",
    "Prior",
    "Priors",
    "Variance",
    "custom",
    "parse_prior",
]


def __getattr__(name: str) -> Any:
    """Return the class of a distribution."""
    if name in CLASSES:
        return CLASSES[name]
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the names and the classes of distributions."""
    return sorted([*__all__, *CLASSES])
