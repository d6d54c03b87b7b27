"""The log-normal prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["LogNormal"]


@dataclass(frozen=True)
class LogNormal(Prior):
    """Log-normal with mean and standard deviation of the logarithm."""

    mu: float
    sigma: float
    text = "lognormal"
    pymc = "LogNormal"
    domain = "positive"
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (math.log(x) - a) / b
        slope[0] = -(1.0 + z / b) / x
        return -math.log(x) - 0.5 * z * z

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(-0.5 * np.log(2 * np.pi) - np.log(self.sigma))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.lognormal(self.mu, self.sigma, shape))
