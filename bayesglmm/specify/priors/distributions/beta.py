"""The beta prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Beta"]


@dataclass(frozen=True)
class Beta(Prior):
    """Beta with two shapes, on (0, 1)."""

    a: float
    b: float
    text = "beta"
    pymc = "Beta"
    pymc_names = ("alpha", "beta")
    domain = "positive"

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lies on."""
        return 0.0, 1.0

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (a - 1.0) / x - (b - 1.0) / (1.0 - x)
        return (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(-special.betaln(self.a, self.b))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.beta(self.a, self.b, shape))
