"""Bayesian generalized linear mixed models that say whose number each number is.

>>> import bayesglmm as bg
>>> f = bg.fit("y ~ x + (1 + x | id)", data, family="poisson")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesglmm import datasets, errors, families, plots, priors
    from bayesglmm.checks import Check, Finding
    from bayesglmm.design import Design
    from bayesglmm.effects import Estimates
    from bayesglmm.errors import BayesGLMMError, BayesGLMMWarning
    from bayesglmm.families import Family
    from bayesglmm.formula import Formula, parse
    from bayesglmm.interop import from_bambi
    from bayesglmm.ladder import prior_ladder
    from bayesglmm.model import Model, glmm
    from bayesglmm.posterior import Fit, fit, load
    from bayesglmm.priors import Priors
    from bayesglmm.sampling import Sampler
    from bayesglmm.separation import Separation, check_separation

__all__ = [
    "BayesGLMMError",
    "BayesGLMMWarning",
    "Check",
    "Design",
    "Estimates",
    "Family",
    "Finding",
    "Fit",
    "Formula",
    "Model",
    "Priors",
    "Sampler",
    "Separation",
    "check_separation",
    "datasets",
    "errors",
    "families",
    "fit",
    "from_bambi",
    "glmm",
    "load",
    "parse",
    "plots",
    "prior_ladder",
    "priors",
]

_HOME = {
    "BayesGLMMError": "errors",
    "BayesGLMMWarning": "errors",
    "Check": "checks",
    "Design": "design",
    "Estimates": "effects",
    "Family": "families",
    "Finding": "checks",
    "Fit": "posterior",
    "Formula": "formula",
    "Model": "model",
    "Priors": "priors",
    "Sampler": "sampling",
    "Separation": "separation",
    "check_separation": "separation",
    "fit": "posterior",
    "from_bambi": "interop",
    "glmm": "model",
    "load": "posterior",
    "parse": "formula",
    "prior_ladder": "ladder",
}
"""The module of each export; modules load when first used, so that importing the package is quick."""


def __getattr__(name: str) -> Any:
    """Load an export when it is first used."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the exports."""
    return sorted(__all__)
