"""Bayesian generalized linear mixed models that state the estimand of every number.

Conditional (b = 0), population-averaged, an observed group or a new group: see `bayesglmm.estimands.frames`.

>>> import bayesglmm as bg
>>> f = bg.fit("y ~ x + (1 + x | id)", data, family="poisson")  # doctest: +SKIP
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bayesglmm import datasets, errors, plots
    from bayesglmm.checking.curves import PosteriorCheck
    from bayesglmm.checking.discrepancy import Discrepancy
    from bayesglmm.checking.residuals import Residuals
    from bayesglmm.comparison.bayes_factors import BayesFactors, bayes_factors
    from bayesglmm.comparison.bootstrap import BootstrapLikelihoodRatio, bootstrap_likelihood_ratio
    from bayesglmm.comparison.compare import ElpdComparison, compare
    from bayesglmm.comparison.likelihood_ratio import LikelihoodRatio, likelihood_ratio
    from bayesglmm.comparison.loo import Elpd
    from bayesglmm.comparison.marginal_likelihood import MarginalLikelihood
    from bayesglmm.comparison.profile import Profile
    from bayesglmm.comparison.r_squared import RSquared
    from bayesglmm.comparison.side_by_side import SideBySide, side_by_side
    from bayesglmm.comparison.steps import ModelSteps, model_steps
    from bayesglmm.comparison.wald import WaldTest
    from bayesglmm.errors import BayesGLMMError, BayesGLMMWarning
    from bayesglmm.estimands.coefficients import Coefficients
    from bayesglmm.estimands.estimates import Estimates
    from bayesglmm.estimands.group_means import GroupMeans
    from bayesglmm.estimands.hypothesis import Hypotheses
    from bayesglmm.estimands.random_effects import RandomEffects
    from bayesglmm.estimands.subject_curves import SubjectCurves
    from bayesglmm.fitted import Fit, MLFit
    from bayesglmm.fitting import fit, load, maximum_likelihood
    from bayesglmm.marginal_models.gee import gee
    from bayesglmm.marginal_models.results import GEEFit, GLMFit
    from bayesglmm.marginalize.population import Attenuation, attenuation, population_mean
    from bayesglmm.sample.diagnostics import Check, Finding
    from bayesglmm.sample.settings import Sampler
    from bayesglmm.sensitivity.implied_priors import ImpliedPriors
    from bayesglmm.sensitivity.power_scaling import PriorSensitivity
    from bayesglmm.sensitivity.prior_ladder import PriorLadder, prior_ladder
    from bayesglmm.sensitivity.separation import Separation, check_separation
    from bayesglmm.sensitivity.zero_sd import ZeroSd
    from bayesglmm.specify import families, priors
    from bayesglmm.specify.bambi_model import from_bambi
    from bayesglmm.specify.design import Design
    from bayesglmm.specify.families import Family
    from bayesglmm.specify.formula import Formula, parse
    from bayesglmm.specify.model import Model, glmm
    from bayesglmm.specify.priors import Priors

__all__ = [
    "Attenuation",
    "BayesFactors",
    "BayesGLMMError",
    "BayesGLMMWarning",
    "BootstrapLikelihoodRatio",
    "Check",
    "Coefficients",
    "Design",
    "Discrepancy",
    "Elpd",
    "ElpdComparison",
    "Estimates",
    "Family",
    "Finding",
    "Fit",
    "Formula",
    "GEEFit",
    "GLMFit",
    "GroupMeans",
    "Hypotheses",
    "ImpliedPriors",
    "LikelihoodRatio",
    "MLFit",
    "MarginalLikelihood",
    "Model",
    "ModelSteps",
    "PosteriorCheck",
    "PriorLadder",
    "PriorSensitivity",
    "Priors",
    "Profile",
    "RSquared",
    "RandomEffects",
    "Residuals",
    "Sampler",
    "Separation",
    "SideBySide",
    "SubjectCurves",
    "WaldTest",
    "ZeroSd",
    "attenuation",
    "bayes_factors",
    "bootstrap_likelihood_ratio",
    "check_separation",
    "compare",
    "datasets",
    "errors",
    "families",
    "fit",
    "from_bambi",
    "gee",
    "glmm",
    "likelihood_ratio",
    "load",
    "maximum_likelihood",
    "model_steps",
    "parse",
    "plots",
    "population_mean",
    "prior_ladder",
    "priors",
    "side_by_side",
]

_HOME = {
    "Attenuation": "marginalize.population",
    "BayesFactors": "comparison.bayes_factors",
    "BayesGLMMError": "errors",
    "BayesGLMMWarning": "errors",
    "BootstrapLikelihoodRatio": "comparison.bootstrap",
    "Check": "sample.diagnostics",
    "Coefficients": "estimands.coefficients",
    "Design": "specify.design",
    "Discrepancy": "checking.discrepancy",
    "Elpd": "comparison.loo",
    "ElpdComparison": "comparison.compare",
    "Estimates": "estimands.estimates",
    "Family": "specify.families",
    "Finding": "sample.diagnostics",
    "Fit": "fitted",
    "Formula": "specify.formula",
    "GEEFit": "marginal_models.results",
    "GLMFit": "marginal_models.results",
    "GroupMeans": "estimands.group_means",
    "Hypotheses": "estimands.hypothesis",
    "ImpliedPriors": "sensitivity.implied_priors",
    "LikelihoodRatio": "comparison.likelihood_ratio",
    "MLFit": "fitted",
    "MarginalLikelihood": "comparison.marginal_likelihood",
    "Model": "specify.model",
    "ModelSteps": "comparison.steps",
    "PosteriorCheck": "checking.curves",
    "PriorLadder": "sensitivity.prior_ladder",
    "PriorSensitivity": "sensitivity.power_scaling",
    "Priors": "specify.priors",
    "Profile": "comparison.profile",
    "RSquared": "comparison.r_squared",
    "RandomEffects": "estimands.random_effects",
    "Residuals": "checking.residuals",
    "Sampler": "sample.settings",
    "Separation": "sensitivity.separation",
    "SideBySide": "comparison.side_by_side",
    "SubjectCurves": "estimands.subject_curves",
    "WaldTest": "comparison.wald",
    "ZeroSd": "sensitivity.zero_sd",
    "attenuation": "marginalize.population",
    "bayes_factors": "comparison.bayes_factors",
    "bootstrap_likelihood_ratio": "comparison.bootstrap",
    "check_separation": "sensitivity.separation",
    "compare": "comparison.compare",
    "fit": "fitting",
    "from_bambi": "specify.bambi_model",
    "gee": "marginal_models.gee",
    "glmm": "specify.model",
    "likelihood_ratio": "comparison.likelihood_ratio",
    "load": "fitting",
    "maximum_likelihood": "fitting",
    "model_steps": "comparison.steps",
    "parse": "specify.formula",
    "population_mean": "marginalize.population",
    "prior_ladder": "sensitivity.prior_ladder",
    "side_by_side": "comparison.side_by_side",
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
