"""`Fitted`: the protocol of a fit, which functions below `bayesglmm.fitting` take; `Thinned`: a fit of fewer draws.

The variables of a posterior and their dims are listed in `bayesglmm.specify.variables`.
"""

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
    """A fit thinned to every k-th draw of each chain, from the first.

    Parameters
    ----------
    model, draws
        Those of the fit.
    thin
        k; 1 for all draws.
    """

    model: Model
    draws: xr.DataTree
    thin: int

    @property
    def posterior(self) -> xr.Dataset:
        """The thinned draws, dims `chain`, `draw` and those of each parameter."""
        return self.draws["posterior"].to_dataset().isel(draw=slice(None, None, self.thin))
