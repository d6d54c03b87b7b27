"""The logistic prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Logistic"]


@dataclass(frozen=True)
class Logistic(Prior):
    """Logistic with location and scale: sd π σ/√3."""

    mu: float
    sigma: float
    text = "logistic"
    pymc = "Logistic"
    pymc_names = ("mu", "s")
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (x - a) / b
        tail = math.exp(-abs(z))
        rise = (1.0 - tail) / (1.0 + tail)  # tanh |z|/2
        slope[0] = -rise / b if z > 0.0 else rise / b
        return -abs(z) - 2.0 * math.log1p(tail)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return -math.log(self.sigma)

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.logistic(self.mu, self.sigma, shape))
