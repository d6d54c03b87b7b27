"""Priors on a variance or a precision: a distribution of the square, or of the inverse square, of a parameter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.distributions import Kind, Prior

__all__ = ["POWERS", "Power", "Precision", "Variance"]


@dataclass(frozen=True)
class Power(Prior, entered=False):
    """Base of the priors whose distribution is that of a power of the parameter.

    With X = θ^p of density f, θ has the density f(θ^p) |p| θ^(p − 1).

    Parameters
    ----------
    of
        The distribution of the power, which lives above zero.

    Raises
    ------
    PriorError
        If that distribution has mass below zero, or is itself of a power.
    """

    of: Prior
    kind: ClassVar[Kind] = "positive"
    power: ClassVar[float]

    def __post_init__(self) -> None:
        """Check what the distribution is."""
        if not isinstance(self.of, Prior) or isinstance(self.of, Power) or not self.of.suits("positive"):
            raise PriorError(f"{self.text}: {self.of} is no distribution of a {self.text}; {self.form()}")

    def __str__(self) -> str:
        """Return the string form."""
        return f"{self.text}({self.of})"

    @classmethod
    def form(cls) -> str:
        """Say how its string form is written."""
        return f"it is written {cls.text}(…) around a distribution above zero, such as {cls.text}(gamma(0.01, 0.01))"

    def numbers(self) -> tuple[float, ...]:
        """Return the numbers of the distribution of the power."""
        return self.of.numbers()

    def constants(self) -> tuple[float, float, float]:
        """Return what the compiled density of the power is given."""
        return self.of.constants()

    @property
    def name(self) -> str:
        """The name of a variable that has this prior."""
        return f"{self.text}_{self.of.name}"

    @property
    def alike(self) -> object:
        """What priors share that differ in numbers alone."""
        return type(self), self.of.alike

    @property
    def own(self) -> bool:
        """Whether it is a function of the user's."""
        return self.of.own

    @property
    def traced(self) -> bool:
        """Whether its density is known as an expression of tensors."""
        return self.of.traced

    @property
    def proper(self) -> bool:
        """Whether it integrates to one."""
        return self.of.proper

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lives on."""
        ends = [_end(end, 1 / self.power) for end in self.of.bounds]
        return min(ends), max(ends)

    def suits(self, kind: Kind) -> bool:
        """Whether it is for a parameter of this kind: for one above zero."""
        return kind == "positive"

    def to_pymc(self) -> dict[str, np.float64]:
        """Return the arguments of the PyMC distribution of the power."""
        return self.of.to_pymc()

    def in_pymc(self, name: str, arguments: Mapping[str, Any], **shape: Any) -> Any:
        """Return a random variable of the PyMC model in whose context this is called: a density of θ itself."""
        from bayesglmm.specify.priors.tensors import powered

        return powered(self, name, arguments, **shape)


@dataclass(frozen=True)
class Variance(Power, entered=False):
    """A prior on the square of a parameter: of a variance, where the parameter is a standard deviation."""

    text = "variance"
    pymc = "CustomDist"
    power = 2.0


@dataclass(frozen=True)
class Precision(Power, entered=False):
    """A prior on the inverse square of a parameter: of a precision, where the parameter is a standard deviation."""

    text = "precision"
    pymc = "CustomDist"
    power = -2.0


POWERS: dict[str, type[Power]] = {cls.text: cls for cls in (Variance, Precision)}
"""The priors of a power, by the name their string form begins with."""


def _end(end: float, power: float) -> float:
    """Return an end of an interval of the power as one of the parameter."""
    if end == 0:
        return 0.0 if power > 0 else math.inf
    if end == math.inf:
        return math.inf if power > 0 else 0.0
    return float(max(end, 0.0) ** power)
