"""The half-Cauchy prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["HalfCauchy"]


@dataclass(frozen=True)
class HalfCauchy(Prior):
    """Cauchy at zero, its positive half, with the scale of the whole."""

    scale: float
    text = "half_cauchy"
    pymc = "HalfCauchy"
    pymc_names = ("beta",)
    domain = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = x / a
        slope[0] = -2.0 * z / (a * (1.0 + z * z))
        return -math.log1p(z * z)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(np.log(2) - np.log(np.pi * self.scale))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(np.abs(self.scale * rng.standard_cauchy(shape)))
