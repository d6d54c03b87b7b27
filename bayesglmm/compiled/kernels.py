"""The addresses of what a family, a link and a prior compute, each compiled once and kept on disk.

Kernels are written over arrays one row at a time. Here they are given places in one workspace: arrays at fixed
distances from one pointer, which the compiler sees do not overlap, so that it makes vector instructions of them.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from bayesglmm.compiled import functions as _functions  # noqa: F401  # what kernels call
from bayesglmm.compiled.abi import FAMILY, LINK, PRIOR, further
from bayesglmm.compiled.cache import compiled
from bayesglmm.compiled.pieces import summing
from bayesglmm.compiled.workspace import CHUNK, Work

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


@cache
def prior_address(density: Callable[..., float]) -> int:
    """Return the address of a prior's density."""
    return _address(PRIOR, density, density)


def _address(signature: Any, function: Callable[..., Any], named: Callable[..., Any]) -> int:
    return int(compiled(signature, f"{named.__module__}.{named.__qualname__}")(function).address)
