"""The half-normal prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["HalfNormal"]


@dataclass(frozen=True)
class HalfNormal(Prior):
    """Normal at zero, its positive half, with the scale of the whole."""

    sigma: float
    text = "half_normal"
    pymc = "HalfNormal"
    domain = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = -x / (a * a)
        return -0.5 * (x / a) * (x / a)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(np.log(2) + -0.5 * np.log(2 * np.pi) - np.log(self.sigma))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(np.abs(rng.normal(0.0, self.sigma, shape)))
