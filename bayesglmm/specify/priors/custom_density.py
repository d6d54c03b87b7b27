"""`custom(logpdf)`: a prior whose log density is a Python function."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import special

from bayesglmm.errors import PriorError
from bayesglmm.specify.priors.prior import WHOLE_LINE, Array, Domain, Prior, Shape

__all__ = ["NEAR", "WIDEST", "Custom", "custom"]

_NODES, _WIDEST = 8001, 45.0
"""Points of the grid u = mode + width · sinh(t), and the largest |t|: tails like Cauchy's are covered up to 1e-19."""

_SEARCHES, _FURTHEST, _WIDE = 60, 700.0, 1e15
"""Steps of the search for the mode, the largest |u| on bounded intervals, and the width beyond which u is flat."""

NEAR, WIDEST = 1e-3, 100.0
"""The step of finite differences in units of the mode's width in unconstrained coordinates, and the largest width."""


@dataclass(frozen=True)
class Custom(Prior, entered=False):
    """A prior whose log density is a Python function; made by `custom`."""

    logpdf: Callable[[float], float]
    label: str
    slope: Callable[[float], float] | None
    lower: float
    upper: float
    draw: Callable[[np.random.Generator, Any], Any] | None = None
    tensor: Callable[[Any], Any] | None = None
    text = "custom"
    pymc = "CustomDist"

    def __post_init__(self) -> None:
        """Do nothing: `custom` has checked the arguments."""

    def __str__(self) -> str:
        """Return its label; a function has no string form that reads back."""
        return f"custom({self.label})"

    def numbers(self) -> tuple[float, ...]:
        """Return nothing: the numbers are inside the function."""
        return ()

    def constants(self) -> tuple[float, float, float]:
        """Return its bounds, and the width of its mode in unconstrained coordinates, from which the step follows."""
        return self.lower, self.upper, self._grid.width

    @property
    def name(self) -> str:
        """The suffix of a variable's name where elements of one parameter have several distributions."""
        return f"custom_{''.join(c if c.isalnum() else '_' for c in self.label)}"

    @property
    def vector_key(self) -> object:
        """Itself: no other prior has the same function."""
        return self

    @property
    def custom(self) -> bool:
        """Whether its density is a function of the user's: it is."""
        return True

    @property
    def has_tensor(self) -> bool:
        """Whether its density is known as a PyTensor expression."""
        return self.tensor is not None

    @property
    def bounds(self) -> tuple[float, float]:
        """The interval it lies on."""
        return self.lower, self.upper

    def suits(self, domain: Domain) -> bool:
        """Whether its bounds lie in the domain of a parameter."""
        return domain == "real" or (domain == "positive" and self.lower >= 0)

    def to_pymc(self) -> dict[str, np.float64]:
        """Return no arguments."""
        return {}

    def in_pymc(self, name: str, arguments: Mapping[str, Any], **shape: Any) -> Any:
        """Return a random variable of the PyMC model in whose context this is called."""
        from bayesglmm.specify.priors.tensors import custom_variable

        return custom_variable(self, name, **shape)

    def values(self, x: Array) -> Array:
        """Return the log density up to a constant, elementwise; −∞ where the function fails or is NaN."""
        return _elementwise(self.logpdf, x, -np.inf)

    def slopes(self, x: Array) -> Array:
        """Return its derivatives, elementwise, by the formula of the compiled density; NaN where undefined."""
        if self.slope is not None:
            return _elementwise(self.slope, x, np.nan)
        reach = np.ones_like(x)
        if self.upper < math.inf:
            reach = (x - self.lower) * (self.upper - x) / (self.upper - self.lower)
        elif self.lower > -math.inf:
            reach = x - self.lower
        widest = math.inf if self.bounds == WHOLE_LINE else WIDEST
        h = reach * NEAR * min(self.constants()[2], widest)
        with np.errstate(invalid="ignore"):
            near, far = self.values(x + h) - self.values(x - h), self.values(x + 2 * h) - self.values(x - 2 * h)
        return np.asarray((8 * near - far) / (12 * h))

    @cached_property
    def log_constant(self) -> float:
        """The log of the normalizing constant, to 1e-9; to 1e-4 for a density with kinks."""
        terms = self._grid.log_terms
        whole, half = np.logaddexp.reduce(terms), np.logaddexp.reduce(terms[::2]) + math.log(2)
        ends = max(terms[0], terms[-1])
        if not np.isfinite(whole) or not abs(whole - half) < 1e-4 or ends > whole + math.log(1e-9):
            raise PriorError(
                f"{self}: its density does not integrate over ({self.lower:g}, {self.upper:g}) to a number that can be "
                "found; is it proper, and are these its bounds?"
            )
        return float(-whole)

    def draws(self, rng: np.random.Generator, shape: Shape) -> Array:
        """Return draws: by `draw`, or by the inverse of the distribution function."""
        return self.quantiles(rng.random(shape)) if self.draw is None else np.asarray(self.draw(rng, shape))

    def quantiles(self, p: Array) -> Array:
        """Return quantiles, by the distribution function on a grid."""
        grid, constant = self._grid, self.log_constant
        weights = np.exp(grid.log_terms + constant)
        return np.asarray(np.interp(p, np.cumsum(weights) - weights / 2, grid.x))

    @cached_property
    def _grid(self) -> "_Grid":
        """A grid around the mode, centred and scaled by repeated search for the maximum."""
        centre, width = 0.0, 1.0
        for _ in range(_SEARCHES):
            u, _, terms = self._terms(centre, width)
            best = int(np.argmax(terms))
            if not np.isfinite(terms[best]):
                raise PriorError(f"{self}: its density is nowhere above zero between its bounds, or cannot be computed")
            near = u[terms > terms[best] - 2]
            spread = float(near.max() - near.min())
            settled = abs(float(u[best]) - centre) < 0.1 * width and width < 4 * spread < 64 * width
            centre = float(u[best])
            if settled:
                break
            width = max(spread / 4, width * 1e-2)
            if width > _WIDE:  # flat at every scale
                centre, width = 0.0, 1.0
                break
        _, x, terms = self._terms(centre, width)
        return _Grid(x, terms, width)

    def _terms(self, centre: float, width: float) -> tuple[Array, Array, Array]:
        """Return points in unconstrained coordinates, in the parameter, and the log of each term of the integral."""
        t = np.linspace(-_WIDEST, _WIDEST, _NODES)
        u = centre + width * np.sinh(t)
        x, log_slope = self._bounded(u)
        log_terms = self.values(x) + log_slope + np.log(width * np.cosh(t)) + math.log(t[1] - t[0])
        return u, x, log_terms

    def _bounded(self, u: Array) -> tuple[Array, Array]:
        """Return the parameter at unconstrained coordinates, and the log of its derivative."""
        if self.bounds == WHOLE_LINE:
            return u, np.zeros_like(u)
        far = np.abs(u) > _FURTHEST
        u = np.clip(u, -_FURTHEST, _FURTHEST)
        if self.upper == math.inf:
            return self.lower + np.exp(u), np.where(far, -np.inf, u)
        x = self.lower + (self.upper - self.lower) * special.expit(u)
        log_slope = math.log(self.upper - self.lower) + special.log_expit(u) + special.log_expit(-u)
        inside = (x > self.lower) & (x < self.upper) & ~far
        return np.clip(x, np.nextafter(self.lower, math.inf), np.nextafter(self.upper, -math.inf)), np.where(
            inside, log_slope, -np.inf
        )


@dataclass(frozen=True, eq=False)
class _Grid:
    """Points, the log of each term of the integral, and the width of the mode in unconstrained coordinates."""

    x: Array
    log_terms: Array
    width: float


def custom(
    logpdf: Callable[[float], float],
    *,
    name: str | None = None,
    bounds: tuple[float, float] = WHOLE_LINE,
    slope: Callable[[float], float] | None = None,
    draw: Callable[[np.random.Generator, Any], Any] | None = None,
    tensor: Callable[[Any], Any] | None = None,
) -> Custom:
    """Make a prior from a log density of your own.

    Parameters
    ----------
    logpdf
        The log density of one number, up to a constant: a function of arithmetic and `math` that numba compiles.
        Variables it captures, as `scale` in `lambda x: -abs(x) / scale`, keep their present values.
    name
        Its name in print; the function's own for None.
    bounds
        The interval it lies on: `(-inf, inf)`, `(lower, inf)` or `(lower, upper)`. For standard deviations and other
        parameters above zero, lower ≥ 0.
    slope
        The derivative of `logpdf`; None for fourth-order differences, with relative error below 1e-8 where the
        curvature of `logpdf` is no larger than at its mode.
    draw
        (generator, shape) → draws, which `prior_predictive` and `implied_priors` use; None for the inverse of the
        distribution function on a grid.
    tensor
        The same log density as a PyTensor expression, which `backend="numpyro"` needs; without it the PyMC graph
        calls `logpdf`.

    Returns
    -------
    Custom
        A prior like any other, except that a fit with it cannot be saved.

    Raises
    ------
    PriorError
        If an argument is not a function, or the bounds are not an interval.

    Examples
    --------
    >>> import math
    >>> import bayesglmm as bg
    >>> half_cauchy = bg.priors.custom(lambda s: -math.log1p(s * s), name="half-Cauchy", bounds=(0, math.inf))
    >>> str(half_cauchy)
    'custom(half-Cauchy)'
    """
    for what, function in {"logpdf": logpdf, "slope": slope, "draw": draw, "tensor": tensor}.items():
        if not callable(function) and (function is not None or what == "logpdf"):
            raise PriorError(f"custom: {what} is a function, not {type(function).__name__}")
    try:
        lower, upper = (float(end) for end in bounds)
    except (TypeError, ValueError) as error:
        raise PriorError(f"custom: bounds={bounds!r} are not two numbers, such as (0, math.inf)") from error
    if not lower < upper or (lower == -math.inf and upper < math.inf):
        raise PriorError(
            f"custom: bounds={bounds!r}: give (-inf, inf), (lower, inf) or (lower, upper) with lower below upper"
        )
    label = getattr(logpdf, "__name__", "logpdf") if name is None else name
    return Custom(logpdf, str(label), slope, lower, upper, draw, tensor)


def _elementwise(function: Callable[[float], float], x: Array, otherwise: float) -> Array:
    values = np.full(np.shape(x), otherwise)
    with np.errstate(all="ignore"):
        for place, value in np.ndenumerate(x):
            try:
                values[place] = function(float(value))
            except (ValueError, ZeroDivisionError, OverflowError):  # of `math`: log(0), exp(1000)
                continue
    return np.where(np.isnan(values), otherwise, values)
