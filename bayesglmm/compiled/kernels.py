"""The addresses of what a family, a link and a prior compute, each compiled once and kept on disk.

Kernels are written over arrays one row at a time. Here they are given places in one workspace: arrays at fixed
distances from one pointer, which the compiler sees do not overlap, so that it makes vector instructions of them.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from numba.core.errors import NumbaError

from bayesglmm.compiled import functions as _functions  # noqa: F401  # what kernels call
from bayesglmm.compiled.abi import FAMILY, LINK, PRIOR, further
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.pieces import piece, summing
from bayesglmm.compiled.workspace import CHUNK, Work
from bayesglmm.errors import PriorError
from bayesglmm.priors import Custom, Power, Prior
from bayesglmm.priors.own import NEAR, WIDEST

__all__ = ["family_address", "link_address", "prior_address"]

_A, _B, _DA, _DB, _D_ETA = (CHUNK * place for place in (Work.A, Work.B, Work.DA, Work.DB, Work.D_ETA))


@cache
def link_address(rows: Callable[..., None]) -> int:
    """Return the address of a link's rows."""
    kernel = summing(rows)

    def link_rows(n, work):
        kernel(n, work, further(work, _A), further(work, _B), further(work, _DA), further(work, _DB))

    return _address(LINK, link_rows, rows)


@cache
def family_address(rows: Callable[..., float]) -> int:
    """Return the address of a family's rows."""
    kernel = summing(rows)

    def family_rows(n, y, trials, work, parameters, d_parameters):
        a, b, da, db = further(work, _A), further(work, _B), further(work, _DA), further(work, _DB)
        return kernel(n, y, trials, a, b, da, db, parameters, further(work, _D_ETA), d_parameters)

    return _address(FAMILY, family_rows, rows)


def prior_address(prior: Prior) -> int:
    """Return the address of a prior's density; its numbers are no part of it.

    Raises
    ------
    PriorError
        If it is a function of the user's that cannot be compiled.
    """
    if isinstance(prior, Power):
        return _power_address(_Density.of(prior.of), prior.power)
    return _prior_address(_Density.of(prior))


@dataclass(frozen=True)
class _Density:
    """What is compiled of a prior: the density of the package, or the function of a user and its derivative."""

    function: Callable[..., float]
    own: bool = False
    slope: Callable[[float], float] | None = None
    label: str = ""

    @classmethod
    def of(cls, prior: Prior) -> "_Density":
        return cls(prior.logpdf, True, prior.slope, str(prior)) if isinstance(prior, Custom) else cls(prior.density)

    def kernel(self) -> Callable[..., float]:
        if not self.own:
            return self.function
        return _own(self.function) if self.slope is None else _own_with_slope(self.function, self.slope)

    def address(self, kernel: Callable[..., float], suffix: str = "") -> int:
        if not self.own:
            return _address(PRIOR, kernel, self.function, suffix)
        try:
            return _address(PRIOR, kernel, self.function, f"{suffix}.{_fingerprint(self.function, self.slope)}")
        except NumbaError as error:
            reason = next((line for line in str(error).splitlines()[1:] if line.strip()), str(error))
            raise PriorError(
                f"{self.label} cannot be compiled: {reason.strip()}; write its function with plain arithmetic and the "
                "functions of math"
            ) from error


@cache
def _prior_address(density: _Density) -> int:
    return density.address(density.kernel())


@cache
def _power_address(density: _Density, power: float) -> int:
    """Return the address of the density of θ, of which θ^power has a density that is known."""
    inner = piece(density.kernel())

    def power_density(x, a, b, c, slope):
        value = inner(x**power, a, b, c, slope)
        slope[0] = slope[0] * power * x ** (power - 1.0) + (power - 1.0) / x
        return value + (power - 1.0) * math.log(x)

    return density.address(power_density, f".power{power:g}")


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


def _fingerprint(*functions: Any) -> str:
    """Tell functions of a user apart by what they compute, as far as it stands in them."""
    digest = hashlib.sha256()
    for function in functions:
        code = getattr(function, "__code__", None)
        cells = [cell.cell_contents for cell in getattr(function, "__closure__", None) or ()]
        names = getattr(code, "co_names", ())
        outside = {name: function.__globals__.get(name) for name in names if code is not None}
        digest.update(repr((getattr(code, "co_code", b""), getattr(code, "co_consts", ()), cells, outside)).encode())
    return digest.hexdigest()[:16]


def _address(signature: Any, function: Callable[..., Any], named: Callable[..., Any], suffix: str = "") -> int:
    return int(compiled(signature, f"{named.__module__}.{named.__qualname__}{suffix}")(function).address)
