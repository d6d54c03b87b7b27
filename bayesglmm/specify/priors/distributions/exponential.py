"""The exponential prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Exponential"]


@dataclass(frozen=True)
class Exponential(Prior):
    """Exponential with rate: mean 1/rate."""

    rate: float
    text = "exponential"
    pymc = "Exponential"
    pymc_names = ("lam",)
    domain = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = -a
        return -a * x

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(np.log(self.rate))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.exponential(1 / self.rate, shape))
