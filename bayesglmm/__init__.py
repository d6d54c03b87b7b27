"""Bayesian generalized linear mixed models that say whose number each number is.

>>> import bayesglmm as bg
>>> f = bg.fit("y ~ x + (1 + x | id)", data, family="poisson")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesglmm import datasets, errors, plots
    from bayesglmm.errors import BayesGLMMError, BayesGLMMWarning
    from bayesglmm.estimands.estimates import Estimates
    from bayesglmm.fitting import Fit, fit, load
    from bayesglmm.sample.diagnostics import Check, Finding
    from bayesglmm.sample.settings import Sampler
    from bayesglmm.sensitivity.prior_ladder import prior_ladder
    from bayesglmm.sensitivity.separation import Separation, check_separation
    from bayesglmm.specify import families, priors
    from bayesglmm.specify.bambi_model import from_bambi
    from bayesglmm.specify.design import Design
    from bayesglmm.specify.families import Family
    from bayesglmm.specify.formula import Formula, parse
    from bayesglmm.specify.model import Model, glmm
    from bayesglmm.specify.priors import Priors

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
    "Check": "sample.diagnostics",
    "Design": "specify.design",
    "Estimates": "estimands.estimates",
    "Family": "specify.families",
    "Finding": "sample.diagnostics",
    "Fit": "fitting",
    "Formula": "specify.formula",
    "Model": "specify.model",
    "Priors": "specify.priors",
    "Sampler": "sample.settings",
    "Separation": "sensitivity.separation",
    "check_separation": "sensitivity.separation",
    "fit": "fitting",
    "from_bambi": "specify.bambi_model",
    "glmm": "specify.model",
    "load": "fitting",
    "parse": "specify.formula",
    "prior_ladder": "sensitivity.prior_ladder",
}
"""The module of each export; modules load when first used, so that importing the package is quick."""

_MODULES = {
    "datasets": "datasets",
    "errors": "errors",
    "families": "specify.families",
    "plots": "plots",
    "priors": "specify.priors",
}
"""The exports that are modules themselves."""


def __getattr__(name: str) -> Any:
    """Load an export when it is first used."""
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{_MODULES[name]}")
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the exports."""
    return sorted(__all__)
