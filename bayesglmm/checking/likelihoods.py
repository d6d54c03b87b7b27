"""Log densities of rows at the draws: the unit deviance, and the weights that leave a row's own outcome out.

References
----------
McCullagh & Nelder (1989), Generalized Linear Models, section 2.3: the deviance.
Vehtari, Simpson, Gelman, Yao & Gabry (2024), Journal of Machine Learning Research 25 (72), 1-58: smoothed weights.
"""

import numpy as np
from numpy.typing import NDArray

from bayesglmm.checking.predictive import Predictive
from bayesglmm.errors import OptionError
from bayesglmm.estimands.frames import eta_and_variance
from bayesglmm.posterior.pointwise import log_density

__all__ = ["deviance", "left_out_weights"]

type Array = NDArray[np.float64]

_STEP = 1e-3
"""The step of the linear predictor, relative to its size, by which a maximum is told from another point."""

_EDGE = 2.0**-53
"""The distance of a probability from 0 or 1 at which the log density of an outcome at the edge is taken."""


def left_out_weights(predictive: Predictive) -> tuple[Array, Array]:
    """Return the logarithms of the smoothed weights of the draws, (s, n), that leave each row out, and Pareto's k (n,).

    Weights of a k above 0.7 are not to be relied on.
    """
    import arviz  # noqa: F401  (registers the accessor)

    values = log_density(predictive.model, _linear_predictor(predictive), predictive.parameters)
    labelled = predictive.labelled(values, "log_density")
    log_weights, pareto_k = labelled.azstats.psislw(dim=["chain", "draw"])
    weights = log_weights.transpose("chain", "draw", "row").values
    return weights.reshape(predictive.size, -1), np.asarray(pareto_k.values)


def deviance(predictive: Predictive) -> Array:
    """Return the unit deviance of each row in each draw, 2 (ℓ(y; y) − ℓ(y; μ)), shape (s, n).

    Raises
    ------
    OptionError
        If the log density of an outcome y is not largest at a mean of y, so that there is no deviance.
    """
    model, parameters, eta = predictive.model, predictive.parameters, _linear_predictor(predictive)
    saturated = np.broadcast_to(_saturated(predictive), eta.shape)
    largest = log_density(model, saturated, parameters)
    step = _STEP * np.maximum(np.abs(saturated), 1e-3)
    for side in (-step, step):
        nearby = log_density(model, saturated + side, parameters)
        if (nearby > largest + 1e-9 * np.maximum(np.abs(largest), 1)).any():
            raise OptionError(
                f"the {model.family.name} family has no deviance: its density of an outcome is not largest at a mean "
                'equal to it; use kind="quantile" or kind="pearson"'
            )
    return np.asarray(2 * np.maximum(largest - log_density(model, eta, parameters), 0.0))


def _saturated(predictive: Predictive) -> Array:
    """Return g(y), or just inside the edge of the range of the mean, (n,)."""
    link, trials = predictive.model.family.link, predictive.trials
    y = predictive.y / trials if predictive.model.family.outcome_type == "trials" else predictive.y
    if link.range == "unit":
        y = np.clip(y, _EDGE, 1 - _EDGE)
    elif link.range == "positive":
        y = np.maximum(y, 1e-300 if link.multiplicative else 1e-30)
    return np.asarray(link.link(y))


def _linear_predictor(predictive: Predictive) -> Array:
    """Return η given the random effects of each draw, (s, n)."""
    eta, _ = eta_and_variance(predictive.draws.beta, predictive.model.design, predictive.random, slice(None))
    return eta
