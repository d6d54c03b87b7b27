"""The uniform prior."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.prior import Array, Domain, Prior, Shape

__all__ = ["Uniform"]


@dataclass(frozen=True)
class Uniform(Prior):
    """Uniform between two bounds."""

    lower: float
    upper: float
    text = "uniform"
    pymc = "Uniform"
    free = ("lower", "upper")

    def _check(self) -> None:
        if self.lower >= self.upper:
            raise PriorError(f"uniform: lower={self.lower:g} must be below upper={self.upper:g}; {self.form()}")

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lies on."""
        return self.lower, self.upper

    def suits(self, domain: Domain) -> bool:
        """Whether the bounds lie where the parameter may be."""
        return domain == "real" or (domain == "positive" and self.lower >= 0)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = 0.0
        return 0.0

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return float(-np.log(self.upper - self.lower))

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        return np.asarray(rng.uniform(self.lower, self.upper, shape))
