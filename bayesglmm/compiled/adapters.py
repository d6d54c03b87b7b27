"""The kernels of links, families and priors as the functions that other kernels call.

A kernel works on one array for each quantity. Here the arrays are given their places in one workspace (`Work`), at
fixed distances from one pointer: the compiler sees that they do not overlap, and vectorises the loops.

`jit` decorates the kernel and `further` moves a pointer on: those of compiled C functions, unless others are given
(`plain` works on arrays, `interpreted` in plain Python).
"""

import math
from collections.abc import Callable
from typing import Any

from bayesglmm.compiled import functions as _functions  # noqa: F401  # registers what kernels call
from bayesglmm.compiled.abi import further, repeated
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.workspace import CHUNK, Work
from bayesglmm.specify.priors import Custom, Power, Prior
from bayesglmm.specify.priors.custom_density import NEAR, WIDEST

__all__ = ["family_rows", "link_rows", "prior_density"]

_A, _B, _DA, _DB, _LL = (CHUNK * place for place in (Work.A, Work.B, Work.DA, Work.DB, Work.LL))


def link_rows(kernel: Callable[..., None], jit: Any = summing, further: Any = further) -> Callable[..., None]:
    """Return a link's kernel (`Link.rows`) as a function of n and the workspace, whose arrays have n entries each."""
    rows = jit(_undecorated(kernel))

    def link(n, work):
        rows(n, work, further(work, _A), further(work, _B), further(work, _DA), further(work, _DB))

    return link


def family_rows(
    kernel: Callable[..., None], count: int, jit: Any = summing, further: Any = further, repeated: Any = repeated
) -> Callable[..., None]:
    """Return the kernel (`Family.rows`) of a family of `count` parameters φ.

    It is a function of n, y (n,), trials (n,), the workspace and φ, each the same for all rows.
    """
    rows, derivatives = jit(_undecorated(kernel)), _derivatives(count, jit, further)
    constants = _constants(count, jit, repeated)

    def family(n, y, trials, work, phi):
        mean = (further(work, _A), further(work, _B), further(work, _DA), further(work, _DB))
        rows(n, y, trials, (mean, *constants(phi)), further(work, _LL), derivatives(work))

    return family


def _constants(count: int, jit: Any, repeated: Any) -> Callable[..., Any]:
    """Return φ ↦ what `Family.rows` reads of each parameter: value, log value and their derivatives by the value."""
    if count == 0:
        return jit(_nothing)  # type: ignore[no-any-return]  # numba has no types
    others, last = _constants(count - 1, jit, repeated), count - 1

    def constants(phi):
        value = phi[last]
        return (
            *others(phi),
            (repeated(value), repeated(math.log(value)), repeated(1.0), repeated(1.0 / value)),
        )

    return jit(constants)  # type: ignore[no-any-return]


def _derivatives(count: int, jit: Any, further: Any) -> Callable[..., Any]:
    """Return workspace ↦ where derivatives by η and by each of `count` parameters are written."""
    if count < 0:
        return jit(_nothing)  # type: ignore[no-any-return]
    others, place = _derivatives(count - 1, jit, further), CHUNK * (Work.D_ETA + count)

    def derivatives(work):
        return (*others(work), further(work, place))

    return jit(derivatives)  # type: ignore[no-any-return]


def _nothing(pointer):
    """Return the empty tuple."""
    return ()


def prior_density(prior: Prior, jit: Any = piece) -> Callable[..., float]:
    """Return the log density of a prior as a function of θ, three constants, and where its derivative is written."""
    if isinstance(prior, Power):
        return _power(prior_density(prior.inner, jit), prior.power, jit)
    if not isinstance(prior, Custom):
        density: Callable[..., float] = _undecorated(prior.density)
        return density
    if prior.slope is None:
        return _differentiated(prior.logpdf, jit)
    return _with_derivative(prior.logpdf, prior.slope, jit)


def _power(density: Callable[..., float], power: float, jit: Any) -> Callable[..., float]:
    """Return the log density of θ from that of θ^p: log f(θ^p) + (p − 1) log θ, without the constant log p."""
    inner = jit(density)

    def power_density(x, a, b, c, d_x):
        value = inner(x**power, a, b, c, d_x)
        d_x[0] = d_x[0] * power * x ** (power - 1.0) + (power - 1.0) / x
        return value + (power - 1.0) * math.log(x)

    return power_density


def _differentiated(function: Callable[[float], float], jit: Any) -> Callable[..., float]:
    """Return a user's log density f with its derivative by differences of fourth order, inside its bounds a and b.

    f′ = (8 (f(x + h) − f(x − h)) − (f(x + 2h) − f(x − 2h))) / 12h, where h is in proportion to c, the width of the
    mode, and to the distance from the bounds.
    """
    logpdf = jit(function)

    def own_density(x, a, b, c, d_x):
        reach = 1.0
        if b < math.inf:
            reach = (x - a) * (b - x) / (b - a)
        elif a > -math.inf:
            reach = x - a
        h = reach * NEAR * (c if c < WIDEST or a == -math.inf else WIDEST)
        single, double = logpdf(x + h) - logpdf(x - h), logpdf(x + 2.0 * h) - logpdf(x - 2.0 * h)
        d_x[0] = (8.0 * single - double) / (12.0 * h)
        return logpdf(x)

    return own_density


def _with_derivative(
    function: Callable[[float], float], derivative: Callable[[float], float], jit: Any
) -> Callable[..., float]:
    logpdf, d_logpdf = jit(function), jit(derivative)

    def own_density(x, a, b, c, d_x):
        d_x[0] = d_logpdf(x)
        return logpdf(x)

    return own_density


def _undecorated(function: Any) -> Any:
    """Return the Python function that a decorator of numba holds, if one has been used."""
    return getattr(function, "py_func", function)
