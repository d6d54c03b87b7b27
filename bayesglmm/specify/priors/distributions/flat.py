"""The flat, improper prior."""

from dataclasses import dataclass
from typing import Any

from bayesglmm.specify.priors.prior import Prior

__all__ = ["Flat"]


@dataclass(frozen=True)
class Flat(Prior):
    """Flat: improper, constant on the whole line."""

    text = "flat"
    pymc = "Flat"

    @property
    def proper(self) -> bool:
        """Whether it integrates to one: it does not."""
        return False

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = 0.0
        return 0.0

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        return 0.0
