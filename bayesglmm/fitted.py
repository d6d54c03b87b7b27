"""`Fitted`: what a function downstream of sampling needs of a fit, so that `Fit`'s methods can call it."""

from typing import Protocol

import xarray as xr

from bayesglmm.model import Model

__all__ = ["Fitted"]


class Fitted(Protocol):
    """A model and the draws of its posterior; `bayesglmm.Fit` is one."""

    @property
    def model(self) -> Model:
        """What was fitted."""

    @property
    def draws(self) -> xr.DataTree:
        """An ArviZ-schema DataTree: `posterior`, `sample_stats`, `observed_data`, `constant_data`."""

    @property
    def posterior(self) -> xr.Dataset:
        """The draws of the parameters, dims `chain`, `draw` and those of each parameter."""
