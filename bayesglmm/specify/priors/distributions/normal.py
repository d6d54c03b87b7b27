"""The normal prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["Normal"]


@dataclass(frozen=True)
class Normal(Prior):
    """Normal with mean and standard deviation."""

    mu: float
    sigma: float
    text = "normal"
    pymc = "Normal"
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (x - a) / b
        slope[0] = -z / b
        return -0.5 * z * z

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(-0.5 * np.log(2 * np.pi) - np.log(self.sigma))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.normal(self.mu, self.sigma, shape))
