"""`arviz_wrapper(fit)`: what ArviZ's functions need that fit again without rows, or transform draws.

    >>> wrapper = fit.arviz_wrapper()  # doctest: +SKIP
    >>> az.reloo(wrapper)  # doctest: +SKIP
    >>> az.loo_kfold(fit.draws, wrapper)  # doctest: +SKIP
    >>> loo = az.loo(fit.draws, pointwise=True)  # doctest: +SKIP
    >>> az.loo_moment_match(fit.draws, loo, **wrapper.moment_matching())  # doctest: +SKIP

`fit.loo()` and `fit.kfold()` do the same with less to write; this is for scripts that speak ArviZ.
"""

from typing import Any

import numpy as np
import xarray as xr
from arviz import SamplingWrapper
from numpy.typing import NDArray

from bayesglmm.comparison.left_out import Refit, with_weights
from bayesglmm.posterior.draws import Draws
from bayesglmm.posterior.pointwise import log_likelihood
from bayesglmm.posterior.protocol import Fitted, Thinned
from bayesglmm.sensitivity.integrated_posterior import Target

__all__ = ["ArvizWrapper", "arviz_wrapper"]

type Rows = NDArray[np.int64]


def arviz_wrapper(fit: Fitted, refit: Refit) -> "ArvizWrapper":
    """Return an `arviz.SamplingWrapper` of a fit.

    Parameters
    ----------
    fit
        The fit.
    refit
        Samples a model with the settings of the fit.
    """
    return ArvizWrapper(fit, refit)


class ArvizWrapper(SamplingWrapper):  # type: ignore[misc]  # ArviZ's classes are not typed
    """Fits again without some rows, for `arviz.reloo` and `arviz.loo_kfold`; draws on the whole line.

    Rows are left out by the weight 0, and scored given the random effects of their groups.
    """

    def __init__(self, fit: Fitted, refit: Refit) -> None:
        super().__init__(fit.model, idata_orig=fit.draws)
        self.fit, self.refit = fit, refit

    def sel_observations(self, idx: Any) -> tuple[NDArray[np.bool_], Rows]:
        """Return which rows are kept, (n,) of bools, and the numbers of the others, in the order asked for."""
        rows = np.atleast_1d(np.asarray(idx, dtype=np.int64))
        kept = np.ones(self.fit.model.design.n, dtype=bool)
        kept[rows] = False
        return kept, rows

    def sample(self, modified_observed_data: NDArray[np.bool_]) -> Fitted:
        """Fit without the rows that are not kept."""
        return self.refit(with_weights(self.fit.model, np.where(modified_observed_data, self._weights, 0.0)))

    def get_inference_data(self, fitted_model: Fitted) -> xr.DataTree:
        """Return the draws of a refit."""
        return fitted_model.draws

    def log_likelihood__i(self, excluded_obs: Rows, idata__i: xr.DataTree) -> xr.DataArray:
        """Return the log likelihood of rows left out, dims `chain`, `draw`, `row`; of one row without `row`."""
        values = log_likelihood(Thinned(self.fit.model, idata__i, 1)).isel(row=excluded_obs)
        return values.isel(row=0, drop=True) if len(excluded_obs) == 1 else values

    def moment_matching(self) -> dict[str, Any]:
        """Return `upars`, `log_prob_upars_fn` and `log_lik_i_upars_fn` for `arviz.loo_moment_match`.

        The draws are of β, log σ, the inverse hyperbolic tangent of partial correlations, logarithms of family
        parameters, and b; the log density has the Jacobian of these.
        """
        design, posterior = self.fit.model.design, self.fit.posterior
        target = Target(self.fit.model, sampled=dict.fromkeys(range(len(design.blocks)), True))
        coords = {dim: posterior[dim].values for dim in ("chain", "draw")}
        shape = tuple(len(labels) for labels in coords.values())
        values = target.coordinates(Draws(posterior, design))
        draws = xr.DataArray(values.reshape(*shape, -1), coords, ("chain", "draw", "coordinate"))

        def of_rows(points: xr.DataArray, function: Any) -> xr.DataArray:
            sizes = {dim: size for dim, size in points.sizes.items() if dim != "coordinate"}
            ordered = points.transpose(*sizes, "coordinate")
            found = function(ordered.values.reshape(-1, ordered.sizes["coordinate"]))
            kept = {name: coord for name, coord in ordered.coords.items() if "coordinate" not in coord.dims}
            return xr.DataArray(found.reshape(tuple(sizes.values())), kept, tuple(sizes))

        return {
            "upars": draws,
            "log_prob_upars_fn": lambda points: of_rows(points, target),
            "log_lik_i_upars_fn": lambda points, i: of_rows(points, lambda x: target.rows(x)[:, int(i)]),
        }

    @property
    def _weights(self) -> NDArray[np.float64]:
        outcome = self.fit.model.design.outcome
        assert outcome is not None
        return outcome.weights_or_ones
