"""Priors on a variance or a precision: a distribution of the square, or of the inverse square, of a parameter."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.prior import TINY, Array, Domain, Prior, Shape

__all__ = ["POWERS", "Power", "Precision", "Variance"]


@dataclass(frozen=True)
class Power(Prior, entered=False):
    """Base of the priors whose distribution is that of a power of the parameter.

    With X = θ^p of density f, θ has the density f(θ^p) |p| θ^(p − 1).

    Parameters
    ----------
    inner
        The distribution of θ^p, above zero.

    Raises
    ------
    PriorError
        If that distribution has mass below zero, or is itself of a power.
    """

    inner: Prior
    domain: ClassVar[Domain] = "positive"
    power: ClassVar[float]

    def __post_init__(self) -> None:
        """Check the distribution of the power."""
        if not isinstance(self.inner, Prior) or isinstance(self.inner, Power) or not self.inner.suits("positive"):
            raise PriorError(f"{self.text}: {self.inner} is no distribution of a {self.text}; {self.form()}")

    def __str__(self) -> str:
        """Return the string form."""
        return f"{self.text}({self.inner})"

    @classmethod
    def form(cls) -> str:
        """Say how its string form is written."""
        return f"it is written {cls.text}(…) around a distribution above zero, such as {cls.text}(gamma(0.01, 0.01))"

    def numbers(self) -> tuple[float, ...]:
        """Return the numbers of the distribution of the power."""
        return self.inner.numbers()

    def constants(self) -> tuple[float, float, float]:
        """Return the arguments of the compiled density of the power."""
        return self.inner.constants()

    @property
    def name(self) -> str:
        """The suffix of a variable's name where elements of one parameter have several distributions."""
        return f"{self.text}_{self.inner.name}"

    @property
    def vector_key(self) -> object:
        """Equal for priors that differ in numbers alone."""
        return type(self), self.inner.vector_key

    @property
    def custom(self) -> bool:
        """Whether the density of the power is a function of the user's."""
        return self.inner.custom

    @property
    def has_tensor(self) -> bool:
        """Whether its density is known as a PyTensor expression."""
        return self.inner.has_tensor

    @property
    def proper(self) -> bool:
        """Whether it integrates to one."""
        return self.inner.proper

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lies on."""
        ends = [_end(end, 1 / self.power) for end in self.inner.bounds]
        return min(ends), max(ends)

    def suits(self, domain: Domain) -> bool:
        """Whether the parameter is above zero."""
        return domain == "positive"

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of θ = X^(1/p)."""
        power = np.asarray(self.inner.draws(rng, shape), dtype=np.float64)
        return np.asarray(np.maximum(power, TINY) ** (1 / self.power))

    def to_pymc(self) -> dict[str, np.float64]:
        """Return the arguments of the PyMC distribution of the power."""
        return self.inner.to_pymc()

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
