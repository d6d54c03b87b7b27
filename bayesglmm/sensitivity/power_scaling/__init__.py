"""Which conclusions rest on the data and which on the prior, by power scaling."""

from bayesglmm.sensitivity.power_scaling.likelihoods import conditional_log_likelihood, integrated_log_likelihood
from bayesglmm.sensitivity.power_scaling.quantities import effects
from bayesglmm.sensitivity.power_scaling.result import THRESHOLD, PriorSensitivity
from bayesglmm.sensitivity.power_scaling.scaling import prior_sensitivity

__all__ = [
    "THRESHOLD",
    "PriorSensitivity",
    "conditional_log_likelihood",
    "effects",
    "integrated_log_likelihood",
    "prior_sensitivity",
]
