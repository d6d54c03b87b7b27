"""The Cauchy prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Cauchy"]


@dataclass(frozen=True)
class Cauchy(Prior):
    """Cauchy with location and scale."""

    mu: float
    sigma: float
    text = "cauchy"
    pymc = "Cauchy"
    pymc_names = ("alpha", "beta")
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (x - a) / b
        slope[0] = -2.0 * z / (b * (1.0 + z * z))
        return -math.log1p(z * z)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(-np.log(np.pi * self.sigma))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(self.mu + self.sigma * rng.standard_cauchy(shape))
