"""The inverse gamma prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.priors.prior import TINY, Array, Prior, Shape

__all__ = ["InvGamma"]


@dataclass(frozen=True)
class InvGamma(Prior):
    """Inverse gamma with shape and scale."""

    shape: float
    scale: float
    text = "inv_gamma"
    pymc = "InverseGamma"
    pymc_names = ("alpha", "beta")
    domain = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (b / x - a - 1.0) / x
        return -(a + 1.0) * math.log(x) - b / x

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(self.shape * np.log(self.scale) - special.gammaln(self.shape))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(self.scale / np.maximum(rng.gamma(self.shape, 1.0, shape), TINY))
