"""The Student-t prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["StudentT", "log_t"]


@dataclass(frozen=True)
class StudentT(Prior):
    """Student-t with degrees of freedom, location and scale."""

    nu: float
    mu: float
    sigma: float
    text = "student_t"
    pymc = "StudentT"
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (x - b) / c
        slope[0] = -(a + 1.0) * z / (c * (a + z * z))
        return -0.5 * (a + 1.0) * math.log1p(z * z / a)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(log_t(self.nu, self.sigma))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(self.mu + self.sigma * rng.standard_t(self.nu, shape))


def log_t(nu: float, sigma: float) -> float:
    """Return the log of the constant of a Student-t density that `StudentT.density` leaves out."""
    constant = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - 0.5 * np.log(nu * np.pi) - np.log(sigma)
    return float(constant)
