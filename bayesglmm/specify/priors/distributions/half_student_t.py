"""The half-Student-t prior."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.distributions.student_t import log_t
from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["HalfStudentT"]


@dataclass(frozen=True)
class HalfStudentT(Prior):
    """Student-t at zero, its positive half: degrees of freedom, location (0) and scale."""

    nu: float
    mu: float
    sigma: float
    text = "half_student_t"
    pymc = "HalfStudentT"
    pymc_names = ("nu", "", "sigma")
    domain = "positive"
    free = ("mu",)

    def _check(self) -> None:
        if self.mu != 0:
            raise PriorError(f"half_student_t: the location is 0, not {self.mu:g}; {self.form()}")

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = x / c
        slope[0] = -(a + 1.0) * z / (c * (a + z * z))
        return -0.5 * (a + 1.0) * math.log1p(z * z / a)

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(np.log(2) + log_t(self.nu, self.sigma))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(np.abs(self.sigma * rng.standard_t(self.nu, shape)))
