"""Prior distributions as frozen values: one entry each, with its support and its PyMC form."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, ClassVar, Literal

import numpy as np
from scipy import special

from bayesglmm.errors import PriorError

__all__ = [
    "ABOVE_ZERO",
    "DISTRIBUTIONS",
    "LKJ",
    "WHOLE_LINE",
    "Beta",
    "Cauchy",
    "Exponential",
    "Flat",
    "Gamma",
    "HalfCauchy",
    "HalfNormal",
    "HalfStudentT",
    "InvGamma",
    "Laplace",
    "LogNormal",
    "Normal",
    "Prior",
    "StudentT",
    "TruncatedGamma",
    "Uniform",
]

type Kind = Literal["real", "positive", "correlation"]
"""What a parameter may be: any number, above zero, or a correlation matrix."""

WHOLE_LINE = (-math.inf, math.inf)
"""The bounds of a prior with mass everywhere."""

ABOVE_ZERO = (0.0, math.inf)
"""The bounds of a prior with mass wherever a scale may be."""

_LEAST_MASS = 1e-100
"""What must be left of a truncated distribution."""

DISTRIBUTIONS: "dict[str, type[Prior]]" = {}
"""Every prior of the package, by the name its string form begins with."""


@dataclass(frozen=True)
class Prior:
    """Base of the priors; `str()` of one is its string form, which reads back into an equal one.

    Parameters
    ----------
    Those of the subclass, numbers all, in the usual order of the distribution's arguments. A subclass
    says its name in text and in PyMC, what kind of parameter it is for, which of its numbers may be
    zero or less (`free`), and PyMC's names of them (`theirs`, empty for one PyMC does not take).

    Raises
    ------
    PriorError
        If a number is not finite, or a scale or shape not above zero.
    """

    text: ClassVar[str]
    pymc: ClassVar[str]
    kind: ClassVar[Kind] = "real"
    free: ClassVar[tuple[str, ...]] = ()
    theirs: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, entered: bool = True) -> None:
        """Enter a subclass into the table, unless it is not written with numbers alone."""
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

    @classmethod
    def form(cls) -> str:
        """Say how its string form is written."""
        return f"the form is {cls.text}({', '.join(cls.arguments())})"

    @classmethod
    def arguments(cls) -> tuple[str, ...]:
        """Return the names of the numbers it takes."""
        return tuple(item.name for item in fields(cls))

    def numbers(self) -> tuple[float, ...]:
        """Return the numbers, in order."""
        return tuple(getattr(self, name) for name in self.arguments())

    def constants(self) -> tuple[float, float, float]:
        """Return the numbers that its compiled density is given, zeros where it takes fewer than three."""
        a, b, c = (*self.numbers(), 0.0, 0.0, 0.0)[:3]
        return a, b, c

    @property
    def name(self) -> str:
        """The name of a variable that has this prior, where those of one parameter differ."""
        return self.text

    @property
    def alike(self) -> object:
        """What priors share that differ in numbers alone: one random variable has them all."""
        return type(self)

    @property
    def own(self) -> bool:
        """Whether it is a function of the user's, which has no text that reads back into it."""
        return False

    @property
    def traced(self) -> bool:
        """Whether its density is known as an expression of tensors."""
        return True

    def to_pymc(self) -> dict[str, np.float64]:
        """Return the arguments of the PyMC distribution `self.pymc`, in double precision.

        PyMC reads a plain float such as 2.5 in single precision, since no digit is lost; those of its
        functions are.
        """
        names = self.theirs or self.arguments()
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

    @property
    def proper(self) -> bool:
        """Whether it integrates to one."""
        return True

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density at x up to a constant, given its numbers, and write its derivative to `slope`.

        Plain scalar Python that numba compiles as it stands. A correlation's prior has none: it is a
        product of those of partial correlations.
        """
        raise NotImplementedError

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lives on."""
        return WHOLE_LINE if self.kind == "real" else ABOVE_ZERO

    def suits(self, kind: Kind) -> bool:
        """Whether all its mass lies where a parameter of this kind may be."""
        return self.kind == kind or (kind == "real" and self.kind == "positive")


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


@dataclass(frozen=True)
class Cauchy(Prior):
    """Cauchy with location and scale."""

    mu: float
    sigma: float
    text = "cauchy"
    pymc = "Cauchy"
    theirs = ("alpha", "beta")
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (x - a) / b
        slope[0] = -2.0 * z / (b * (1.0 + z * z))
        return -math.log1p(z * z)


@dataclass(frozen=True)
class Laplace(Prior):
    """Laplace (double exponential) with location and scale."""

    mu: float
    b: float
    text = "laplace"
    pymc = "Laplace"
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = -1.0 / b if x > a else 1.0 / b
        return -abs(x - a) / b


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
        """The interval it lives on."""
        return self.lower, self.upper

    def suits(self, kind: Kind) -> bool:
        """Whether the bounds lie where the parameter may be."""
        return kind == "real" or (kind == "positive" and self.lower >= 0)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = 0.0
        return 0.0


@dataclass(frozen=True)
class Exponential(Prior):
    """Exponential with rate: mean 1/rate."""

    rate: float
    text = "exponential"
    pymc = "Exponential"
    theirs = ("lam",)
    kind = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = -a
        return -a * x


@dataclass(frozen=True)
class Gamma(Prior):
    """Gamma with shape and rate: mean shape/rate."""

    shape: float
    rate: float
    text = "gamma"
    pymc = "Gamma"
    theirs = ("alpha", "beta")
    kind = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (a - 1.0) / x - b
        return (a - 1.0) * math.log(x) - b * x


@dataclass(frozen=True)
class TruncatedGamma(Prior):
    """Gamma with shape and rate, of which only what lies above a lower bound is left."""

    shape: float
    rate: float
    lower: float
    text = "truncated_gamma"
    pymc = "Truncated"
    theirs = ("alpha", "beta", "lower")
    kind = "positive"

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
        """The interval it lives on."""
        return self.lower, math.inf

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (a - 1.0) / x - b
        return (a - 1.0) * math.log(x) - b * x


@dataclass(frozen=True)
class InvGamma(Prior):
    """Inverse gamma with shape and scale."""

    shape: float
    scale: float
    text = "inv_gamma"
    pymc = "InverseGamma"
    theirs = ("alpha", "beta")
    kind = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (b / x - a - 1.0) / x
        return -(a + 1.0) * math.log(x) - b / x


@dataclass(frozen=True)
class LogNormal(Prior):
    """Log-normal with mean and standard deviation of the logarithm."""

    mu: float
    sigma: float
    text = "lognormal"
    pymc = "LogNormal"
    kind = "positive"
    free = ("mu",)

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = (math.log(x) - a) / b
        slope[0] = -(1.0 + z / b) / x
        return -math.log(x) - 0.5 * z * z


@dataclass(frozen=True)
class HalfNormal(Prior):
    """Normal at zero, its positive half, with the scale of the whole."""

    sigma: float
    text = "half_normal"
    pymc = "HalfNormal"
    kind = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = -x / (a * a)
        return -0.5 * (x / a) * (x / a)


@dataclass(frozen=True)
class HalfStudentT(Prior):
    """Student-t at zero, its positive half: degrees of freedom, location (0) and scale."""

    nu: float
    mu: float
    sigma: float
    text = "half_student_t"
    pymc = "HalfStudentT"
    theirs = ("nu", "", "sigma")
    kind = "positive"
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


@dataclass(frozen=True)
class HalfCauchy(Prior):
    """Cauchy at zero, its positive half, with the scale of the whole."""

    scale: float
    text = "half_cauchy"
    pymc = "HalfCauchy"
    theirs = ("beta",)
    kind = "positive"

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        z = x / a
        slope[0] = -2.0 * z / (a * (1.0 + z * z))
        return -math.log1p(z * z)


@dataclass(frozen=True)
class Beta(Prior):
    """Beta with two shapes, on (0, 1)."""

    a: float
    b: float
    text = "beta"
    pymc = "Beta"
    theirs = ("alpha", "beta")
    kind = "positive"

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lives on."""
        return 0.0, 1.0

    @staticmethod
    def density(x: float, a: float, b: float, c: float, slope: Any) -> float:
        """Return the log density up to a constant, and write its derivative."""
        slope[0] = (a - 1.0) / x - (b - 1.0) / (1.0 - x)
        return (a - 1.0) * math.log(x) + (b - 1.0) * math.log1p(-x)


@dataclass(frozen=True)
class LKJ(Prior):
    """LKJ on a correlation matrix: density proportional to det(Ω)^(eta − 1).

    References
    ----------
    Lewandowski, Kurowicka & Joe (2009), Journal of Multivariate Analysis 100, 1989-2001.
    """

    eta: float
    text = "lkj"
    pymc = "LKJCorr"
    kind = "correlation"


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


def _float(value: Any) -> float:
    """Return a number as a float, nan for what is not a number."""
    try:
        return math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    except OverflowError:
        return math.inf


def _short(value: float) -> str:
    """Return the shortest text that reads back into the same number."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))
