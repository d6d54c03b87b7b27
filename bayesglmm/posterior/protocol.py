"""`Fitted`: what a function downstream of sampling needs of a fit, so that `Fit`'s methods can call it."""

from dataclasses import dataclass
from typing import Protocol

import xarray as xr

from bayesglmm.specify.model import Model

__all__ = ["Fitted", "Thinned"]


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


@dataclass(frozen=True, eq=False)
class Thinned:
    """A fit of which every so many-th draw of each chain is looked at, from the first.

    Parameters
    ----------
    model, draws
        Those of the fit.
    every
        Which draws are taken; 1 for all.
    """

    model: Model
    draws: xr.DataTree
    every: int

    @property
    def posterior(self) -> xr.Dataset:
        """The draws taken, dims `chain`, `draw` and those of each parameter."""
        return self.draws["posterior"].to_dataset().isel(draw=slice(None, None, self.every))
