"""The gamma prior above a lower bound."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.prior import Array, Prior, Shape

__all__ = ["TruncatedGamma"]

_LEAST_MASS = 1e-100
"""The smallest probability above the bound that is taken."""


@dataclass(frozen=True)
class TruncatedGamma(Prior):
    """Gamma with shape and rate, of which only what lies above a lower bound is left."""

    shape: float
    rate: float
    lower: float
    text = "truncated_gamma"
    pymc = "Truncated"
    pymc_names = ("alpha", "beta", "lower")
    domain = "positive"

    def _check(self) -> None:
        if special.gammaincc(self.shape, self.rate * self.lower) < _LEAST_MASS:
            raise PriorError(f"{self}: the gamma has no mass above lower={self.lower:g}; {self.form()}")

    def in_pymc(self, name: str, arguments: Mapping[str, Any], **shape: Any) -> Any:
        """Return a random variable of the PyMC model in whose context this is called."""
        import pymc as pm

        whole = pm.Gamma.dist(arguments["alpha"], arguments["beta"])
        return pm.Truncated(name, whole, lower=arguments["lower"], **shape)

    def dist(self, arguments: Mapping[str, Any], **shape: Any) -> Any:
        """Return the PyMC distribution without a name, its arguments as in `in_pymc`."""
        import pymc as pm

        whole = pm.Gamma.dist(arguments["alpha"], arguments["beta"])
        return pm.Truncated.dist(whole, lower=arguments["lower"], **shape)

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lies on."""
        return self.lower, math.inf

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (a - 1.0) / x - b
        return (a - 1.0) * math.log(x) - b * x

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        above = np.log(special.gammaincc(self.shape, self.rate * self.lower))
        return float(self.shape * np.log(self.rate) - special.gammaln(self.shape) - above)

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws, by the inverse of the distribution function."""
        above = special.gammaincc(self.shape, self.rate * self.lower)
        return np.asarray(special.gammainccinv(self.shape, above * rng.random(shape)) / self.rate)
