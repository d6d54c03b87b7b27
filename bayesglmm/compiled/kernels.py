"""The addresses of what a family, a link and a prior compute, each compiled once.

Kernels are written over arrays one row at a time. Here they are given places in one workspace: arrays at fixed
distances from one pointer, which the compiler sees do not overlap, so that it makes vector instructions of them.
"""

import ctypes
import math
from collections.abc import Callable
from typing import Any

from bayesglmm.compiled import functions as _functions  # noqa: F401  # what kernels call
from bayesglmm.compiled.abi import FAMILY, LINK, PRIOR, further
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.fingerprint import fingerprint
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.plain import plain_family, plain_link
from bayesglmm.compiled.workspace import CHUNK, Work
from bayesglmm.errors import BayesGLMMError, FamilyError, InterfaceError, PriorError, warn_once
from bayesglmm.specify.priors import Custom, Power, Prior
from bayesglmm.specify.priors.custom_density import NEAR, WIDEST

__all__ = [
    "family_address",
    "family_call",
    "link_address",
    "link_call",
    "prior_address",
    "warn_uncompiled",
]

_LINK = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)
_FAMILY = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int64, *[ctypes.c_void_p] * 5)

_A, _B, _DA, _DB, _D_ETA = (CHUNK * place for place in (Work.A, Work.B, Work.DA, Work.DB, Work.D_ETA))


def link_address(rows: Callable[..., None]) -> int:
    """Return the address of a link's rows.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    return _address(LINK, _link(_python(rows)), rows, "link", FamilyError)


def family_address(rows: Callable[..., float]) -> int:
    """Return the address of a family's rows.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    return _address(FAMILY, _family(_python(rows)), rows, "family", FamilyError)


def prior_address(prior: Prior) -> int:
    """Return the address of a prior's density; its numbers are no part of it.

    Raises
    ------
    PriorError
        If it is no function that numba compiles.
    """
    within = prior.inner if isinstance(prior, Power) else prior
    kernel, named = _density(within)
    if isinstance(prior, Power):
        kernel = _power(kernel, prior.power)
    return _address(PRIOR, kernel, named, "prior", PriorError)


def _link(rows: Callable[..., None]) -> Callable[..., None]:
    kernel = summing(rows)

    def link_rows(n, work):
        kernel(n, work, further(work, _A), further(work, _B), further(work, _DA), further(work, _DB))

    return link_rows


def _family(rows: Callable[..., float]) -> Callable[..., float]:
    kernel = summing(rows)

    def family_rows(n, y, trials, work, parameters, d_parameters):
        a, b, da, db = further(work, _A), further(work, _B), further(work, _DA), further(work, _DB)
        return kernel(n, y, trials, a, b, da, db, parameters, further(work, _D_ETA), d_parameters)

    return family_rows


def _density(prior: Prior) -> tuple[Callable[..., float], Callable[..., float]]:
    """Return what is compiled of a prior, and whose name it goes by: the package's density or a user's function."""
    if not isinstance(prior, Custom):
        return _python(prior.density), prior.density
    kernel = _own(prior.logpdf) if prior.slope is None else _own_with_slope(prior.logpdf, prior.slope)
    return kernel, prior.logpdf


def _power(density: Callable[..., float], power: float) -> Callable[..., float]:
    """Return the density of θ, of which θ^power has a density that is known."""
    inner = piece(density)

    def power_density(x, a, b, c, slope):
        value = inner(x**power, a, b, c, slope)
        slope[0] = slope[0] * power * x ** (power - 1.0) + (power - 1.0) / x
        return value + (power - 1.0) * math.log(x)

    return power_density


def _own(function: Callable[[float], float]) -> Callable[..., float]:
    """Return the density of a user, differentiated by differences inside its bounds, lower (a) and upper (b)."""
    logpdf = piece(function)

    def own_density(x, a, b, c, slope):
        reach = 1.0
        if b < math.inf:
            reach = (x - a) * (b - x) / (b - a)
        elif a > -math.inf:
            reach = x - a
        h = reach * NEAR * (c if c < WIDEST or a == -math.inf else WIDEST)
        near, far = logpdf(x + h) - logpdf(x - h), logpdf(x + 2.0 * h) - logpdf(x - 2.0 * h)
        slope[0] = (8.0 * near - far) / (12.0 * h)
        return logpdf(x)

    return own_density


def _own_with_slope(function: Callable[[float], float], derivative: Callable[[float], float]) -> Callable[..., float]:
    logpdf, d_logpdf = piece(function), piece(derivative)

    def own_density(x, a, b, c, slope):
        slope[0] = d_logpdf(x)
        return logpdf(x)

    return own_density


def _python(function: Any) -> Any:
    """Return the function of Python that numba's decorators hold, if one has been used."""
    return getattr(function, "py_func", function)


def link_call(rows: Callable[..., None]) -> Callable[[int, int], object]:
    """Return a link's rows as a function of n and the address of the workspace.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    try:
        return _LINK(link_address(rows))
    except InterfaceError as error:
        warn_uncompiled(error)
        return plain_link(rows)


def family_call(rows: Callable[..., float]) -> Callable[[int, int, int, int, int, int], float]:
    """Return a family's rows as a function of n and the addresses of what they read and write.

    Raises
    ------
    FamilyError
        If they are no function that numba compiles.
    """
    try:
        return _FAMILY(family_address(rows))
    except InterfaceError as error:
        warn_uncompiled(error)
        return plain_family(rows)


def warn_uncompiled(error: InterfaceError, sampler: str = "nutpie") -> None:
    """Say, once, what it costs that there are no C functions: `sampler` then samples the PyMC graph."""
    warn_once(
        "uncompiled",
        f'{error}. With backend="auto" the PyMC graph stands in for the package\'s own density, sampled by {sampler}, '
        "and likelihoods are compiled for one model at a time: the posterior is the same, but the first fit of a model "
        "takes a minute or more, and its first integral over random effects a quarter of a minute. Install a version "
        f"of {error.dependency} that bayesglmm names",
    )


def _address(signature: Any, function: Any, named: Any, what: str, refusal: type[BayesGLMMError]) -> int:
    name = f"{getattr(named, '__module__', '')}.{getattr(named, '__qualname__', type(named).__qualname__)}"
    try:
        return compiled(signature, name, frozenset({__name__}))(function).address
    except InterfaceError as error:
        if fingerprint(function).ours or not _compiles():
            raise
        raise refusal(
            f"a {what} of your own cannot be compiled: {error}. What it computes has to be plain scalar Python over "
            'math, as in bayesglmm/specify/families; backend="pymc" samples without it'
        ) from error


def _compiles() -> bool:
    """Whether numba makes C functions of what is the package's own."""
    try:
        return bool(compiled(LINK)(_link(_nothing)).address)
    except InterfaceError:
        return False


def _nothing(n, eta, a, b, da, db):
    """Do nothing, as a link."""
