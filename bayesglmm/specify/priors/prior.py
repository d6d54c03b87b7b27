"""`Prior`: what every prior distribution is, as a frozen value."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bayesglmm.errors import PriorError

__all__ = ["ABOVE_ZERO", "DISTRIBUTIONS", "TINY", "WHOLE_LINE", "Array", "Domain", "Prior", "Shape"]

type Array = NDArray[np.float64]
type Shape = int | tuple[int, ...]
type Domain = Literal["real", "positive", "correlation"]
"""Where a parameter lies: on the whole line, above zero, or among correlation matrices."""

WHOLE_LINE = (-math.inf, math.inf)
"""The bounds of a prior on the whole line."""

ABOVE_ZERO = (0.0, math.inf)
"""The bounds of a prior on everything above zero."""

TINY = 1e-300
"""Stands for a zero whose logarithm or inverse is taken."""

DISTRIBUTIONS: "dict[str, type[Prior]]" = {}
"""Every prior written with numbers alone, by the name its string form begins with."""


@dataclass(frozen=True)
class Prior:
    """Base of the priors; `str()` of one is its string form, which reads back into an equal one.

    Parameters
    ----------
    Those of the subclass: at most three numbers, in the usual order of the distribution's arguments.

    Attributes
    ----------
    text
        Its name in the string form.
    pymc
        The name of its PyMC distribution.
    domain
        Where the parameters lie that it is for.
    free
        The arguments that may be zero or negative; the others are above zero.
    pymc_names
        The arguments' names in PyMC, where they differ; empty for one PyMC does not take.

    Raises
    ------
    PriorError
        If a number is not finite, or a scale or shape not above zero.
    """

    text: ClassVar[str]
    pymc: ClassVar[str]
    domain: ClassVar[Domain] = "real"
    free: ClassVar[tuple[str, ...]] = ()
    pymc_names: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, entered: bool = True) -> None:
        """Enter a subclass into `DISTRIBUTIONS`, unless it is not written with numbers alone."""
        if entered:
            DISTRIBUTIONS[cls.text] = cls

    def __post_init__(self) -> None:
        """Check the numbers."""
        for item in fields(self):
            value = getattr(self, item.name)
            number = _float(value)
            if not math.isfinite(number):
                raise PriorError(f"{self.text}: {item.name}={value!r} is not a finite number; {self.form()}")
            if item.name not in self.free and number <= 0:
                raise PriorError(f"{self.text}: {item.name}={value!r} must be above zero; {self.form()}")
            object.__setattr__(self, item.name, number)
        self._check()

    def __str__(self) -> str:
        """Return the string form."""
        return f"{self.text}({', '.join(_short(value) for value in self.numbers())})"

    def _check(self) -> None:
        """Check what relates several numbers."""

    # -- the density, its constant, draws ----------------------------------------------------------

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density at x up to a constant, and write its derivative with respect to x to `slope[0]`.

        Scalar Python over `math` that numba compiles. A correlation matrix has none: its prior is a product of
        priors of partial correlations.

        Parameters
        ----------
        x
            Inside the bounds.
        a, b, c
            The numbers, in order; zeros where there are fewer than three.
        slope
            One number, written.
        """
        raise NotImplementedError

    @property
    def log_constant(self) -> float:
        """The log of the constant that `density` leaves out."""
        raise PriorError(f"the density of {self} is not known; use a prior of a single number")

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws of a shape."""
        raise PriorError(f"{self} cannot be drawn from; give a proper prior of a single number")

    @property
    def proper(self) -> bool:
        """Whether it integrates to one."""
        return True

    # -- where it lies -----------------------------------------------------------------------------

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lies on."""
        return WHOLE_LINE if self.domain == "real" else ABOVE_ZERO

    def suits(self, domain: Domain) -> bool:
        """Whether all its mass lies in the domain of a parameter."""
        return self.domain == domain or (domain == "real" and self.domain == "positive")

    # -- its numbers -------------------------------------------------------------------------------

    @classmethod
    def form(cls) -> str:
        """Say how its string form is written."""
        return f"the form is {cls.text}({', '.join(cls.arguments())})"

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        """Return the names of its numbers."""
        return tuple(item.name for item in fields(cls))

    def numbers(self) -> tuple[float, ...]:
        """Return its numbers, in order."""
        return tuple(getattr(self, name) for name in self.arguments())

    def constants(self) -> tuple[float, float, float]:
        """Return the arguments a, b, c of the compiled density."""
        a, b, c = (*self.numbers(), 0.0, 0.0, 0.0)[:3]
        return a, b, c

    # -- as a random variable of PyMC ----------------------------------------------------------------

    @property
    def name(self) -> str:
        """The suffix of a variable's name where elements of one parameter have several distributions."""
        return self.text

    @property
    def vector_key(self) -> object:
        """Equal for priors that differ in numbers alone, and so make one random variable of vector arguments."""
        return type(self)

    @property
    def custom(self) -> bool:
        """Whether its density is a function of the user's, which has no string form."""
        return False

    @property
    def has_tensor(self) -> bool:
        """Whether its density is known as a PyTensor expression."""
        return True

    def to_pymc(self) -> dict[str, np.float64]:
        """Return the arguments of the PyMC distribution `self.pymc`.

        PyMC downcasts Python floats to float32 when exact; functions of them (log 2.5) are then float32-accurate.
        Hence float64.
        """
        names = self.pymc_names or self.arguments()
        return {name: np.float64(x) for name, x in zip(names, self.numbers(), strict=True) if name}

    def in_pymc(self, name: str, arguments: Mapping[str, Any], **shape: Any) -> Any:
        """Return a random variable of the PyMC model in whose context this is called.

        Parameters
        ----------
        name
            Its name.
        arguments
            Those of `to_pymc`, or vectors of them.
        shape
            `dims` or `shape`, as PyMC takes them.
        """
        import pymc as pm

        return getattr(pm, self.pymc)(name, **arguments, **shape)

    def dist(self, arguments: Mapping[str, Any], **shape: Any) -> Any:
        """Return the PyMC distribution without a name, its arguments as in `in_pymc`."""
        import pymc as pm

        return getattr(pm, self.pymc).dist(**arguments, **shape)


def _float(value: Any) -> float:
    """Return a number as a float, nan for what is not a number."""
    try:
        return math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        return math.inf


def _short(value: float) -> str:
    """Return the shortest text that reads back into the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
