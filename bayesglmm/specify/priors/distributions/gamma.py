"""The gamma prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Gamma"]


@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma with shape and rate: mean shape/rate."""

    shape: float
    rate: float
    text = "gamma"
    pymc = "Gamma"
    pymc_names = ("alpha", "beta")
    domain = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (a - 1.0) / x - b
        return (a - 1.0) * math.log(x) - b * x

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(self.shape * np.log(self.rate) - special.gammaln(self.shape))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.gamma(self.shape, 1 / self.rate, shape))
