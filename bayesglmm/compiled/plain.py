"""Kernels without C functions: the same Python, compiled by `numba.njit` alone, in the process.

They are used where numba cannot make C functions of the package's code. Links and families are then functions that
Python calls with addresses as whole numbers, as it calls the C functions; a kernel that would call a link or a family
by its address is compiled again with a direct call (`without_addresses`).
"""

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from numba import carray, njit

from bayesglmm.compiled.adapters import family_rows, link_rows
from bayesglmm.compiled.fingerprint import fingerprint
from bayesglmm.compiled.rebuilt import rebuilt
from bayesglmm.compiled.workspace import CHUNK, WORK

__all__ = ["floats", "plain_family", "plain_link", "without_addresses", "words"]

_WORD = ctypes.c_int64
_MEMMOVE = ctypes.cast(ctypes.memmove, ctypes.c_void_p).value or 0
_doubles = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_double), _WORD, _WORD, _WORD)(_MEMMOVE)
_integers = ctypes.CFUNCTYPE(ctypes.POINTER(_WORD), _WORD, _WORD, _WORD)(_MEMMOVE)
"""memmove returns its first argument: of 0 bytes, it turns an address into a pointer."""

_compiled = njit(error_model="numpy", nogil=True)


@_compiled
def floats(address, n):
    """View n doubles at an address as an array."""
    return carray(_doubles(address, address, 0), (n,))


@_compiled
def words(address, n):
    """View n integers at an address as an array."""
    return carray(_integers(address, address, 0), (n,))


@_compiled
def _further(array, n):
    return array[n:]


@dataclass(frozen=True)
class _ByDigest:
    """A function, equal to every other that computes the same."""

    function: Any = field(compare=False)
    digest: str
    renew: Callable[[], None] = field(compare=False)

    @classmethod
    def of(cls, function: Any) -> "_ByDigest":
        mark = fingerprint(function)
        return cls(function, mark.digest, mark.renew)


def plain_link(rows: Callable[..., None]) -> Callable[[int, int], None]:
    """Return a link's rows as a function of n and the address of the workspace."""
    return _link(_ByDigest.of(rows))  # type: ignore[no-any-return]  # numba has no types


@cache
def _link(rows):
    rows.renew()
    kernel = _compiled(link_rows(rows.function, _compiled, _further))

    @_compiled
    def call(n, work):
        kernel(n, floats(work, WORK * CHUNK))

    return call


def plain_family(rows: Callable[..., None], count: int) -> Callable[[int, int, int, int, int], None]:
    """Return the rows of a family of `count` parameters, of n and the addresses that they take as a C function."""
    return _family(_ByDigest.of(rows), count)  # type: ignore[no-any-return]  # numba has no types


@cache
def _family(rows, count):
    rows.renew()
    kernel = _compiled(family_rows(rows.function, count, _compiled, _further))

    @_compiled
    def call(n, y, trials, work, phi):
        kernel(n, floats(y, n), floats(trials, n), floats(work, (WORK + count) * CHUNK), floats(phi, count))

    return call


@cache
def without_addresses(function: Callable[..., Any], link: Any, family: Any) -> Callable[..., Any]:
    """Return a function of the package with all that it calls, compiled to call a given link and family.

    Parameters
    ----------
    function
        What a C function is made of.
    link, family
        Those of `plain_link` and `plain_family`.
    """

    @_compiled
    def call_link(address, n, work):
        link(n, work)

    @_compiled
    def call_family(address, n, y, trials, work, phi):
        family(n, y, trials, work, phi)

    replaced = {"call_link": call_link, "call_family": call_family, "floats": floats, "words": words}
    return rebuilt(function, replaced, _compiled)
