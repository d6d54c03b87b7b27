"""The Laplace (double exponential) prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Laplace"]


@dataclass(frozen=True)
class Laplace(Prior):
    """Laplace (double exponential) with location and scale."""

    mu: float
    b: float
    text = "laplace"
    pymc = "Laplace"
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = -1.0 / b if x > a else 1.0 / b
        return -abs(x - a) / b

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(-np.log(2 * self.b))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.laplace(self.mu, self.b, shape))
