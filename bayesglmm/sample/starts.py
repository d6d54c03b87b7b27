"""`coefficient_starts(model)`: where the chains start, and the search for the mode."""

from typing import Any

import numpy as np

from bayesglmm.specify.model import Model
from bayesglmm.specify.priors import WHOLE_LINE
from bayesglmm.specify.priors.scales import scales

__all__ = ["coefficient_starts"]


def coefficient_starts(model: Model) -> dict[str, Any]:
    """Return starting values of the centred `intercept` and the `slopes`: η at the level of the response.

    Each is a tenth of a natural unit off, since at the mode of a prior the gradient may vanish exactly, which the
    sampler takes for an error; a jitter of fixed size would be far off for predictors with large values. Coefficients
    with a bounded prior are left out.
    """
    data_scales, priors = scales(model.design, model.family), model.priors
    offset = 0.1 * data_scales.response
    starts: dict[str, Any] = {}
    if priors.intercept is not None and priors.intercept.prior.bounds == WHOLE_LINE:
        starts["intercept"] = data_scales.centre + offset
    if priors.slopes and all(assigned.prior.bounds == WHOLE_LINE for assigned in priors.slopes):
        starts["slopes"] = offset / np.array(data_scales.slopes)
    return starts
