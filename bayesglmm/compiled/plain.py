"""Kernels without C functions: the same Python, compiled by `numba.njit` alone, in the process.

Where numba cannot make C functions of the package's code, the likelihood and the integrals over random effects need
links and families all the same. Here they are functions that Python calls, with addresses as whole numbers, as the C
functions take them; and what would call a C function by its address is compiled anew with the function itself.
"""

import ctypes
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any

from numba import carray, njit

from bayesglmm.compiled import functions as _functions  # noqa: F401  # what kernels call
from bayesglmm.compiled.fingerprint import fingerprint
from bayesglmm.compiled.workspace import CHUNK, WORK, Work

__all__ = ["floats", "plain_family", "plain_link", "without_addresses", "words"]

_WORD = ctypes.c_int64
_MEMMOVE = ctypes.cast(ctypes.memmove, ctypes.c_void_p).value or 0
_doubles = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_double), _WORD, _WORD, _WORD)(_MEMMOVE)
_integers = ctypes.CFUNCTYPE(ctypes.POINTER(_WORD), _WORD, _WORD, _WORD)(_MEMMOVE)
"""memmove, which returns where it has moved to: of no bytes, a way from an address to a pointer."""

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
def _header(address, shape, kind):
    return words(address, shape[0])


@dataclass(frozen=True)
class _Same:
    """A function, equal to every other that computes the same."""

    function: Any = field(compare=False)
    digest: str

    renew: Callable[[], None] = field(compare=False)

    @classmethod
    def of(cls, function: Any) -> "_Same":
        found = fingerprint(function)
        return cls(getattr(function, "py_func", function), found.digest, found.renew)


def plain_link(rows: Callable[..., None]) -> Callable[[int, int], None]:
    """Return a link's rows as a function of n and the address of the workspace."""
    return _link(_Same.of(rows))  # type: ignore[no-any-return]  # numba has no types


@cache
def _link(rows):
    rows.renew()
    kernel = _compiled(rows.function)

    @_compiled
    def link_rows(n, work):
        space = floats(work, WORK * CHUNK)
        a, b, da, db = (
            space[CHUNK * Work.A :], space[CHUNK * Work.B :], space[CHUNK * Work.DA :], space[CHUNK * Work.DB :]
        )  # fmt: skip
        kernel(n, space[CHUNK * Work.ETA :], a, b, da, db)

    return link_rows


def plain_family(rows: Callable[..., float]) -> Callable[[int, int, int, int, int, int], float]:
    """Return a family's rows as a function of n and the addresses that they take as a C function."""
    return _family(_Same.of(rows))  # type: ignore[no-any-return]  # numba has no types


@cache
def _family(rows):
    rows.renew()
    kernel = _compiled(rows.function)

    @_compiled
    def family_rows(n, y, trials, work, parameters, d_parameters):
        space = floats(work, WORK * CHUNK)
        a, b, da, db = (
            space[CHUNK * Work.A :], space[CHUNK * Work.B :], space[CHUNK * Work.DA :], space[CHUNK * Work.DB :]
        )  # fmt: skip
        few = floats(parameters, CHUNK), floats(d_parameters, CHUNK)  # as many as are used
        return kernel(n, floats(y, n), floats(trials, n), a, b, da, db, few[0], space[CHUNK * Work.D_ETA :], few[1])

    return family_rows


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
    def call_family(address, n, y, trials, work, parameters, d_parameters):
        return family(n, y, trials, work, parameters, d_parameters)

    given = {"call_link": call_link, "call_family": call_family, "floats": floats, "words": words, "carray": _header}
    made: Callable[..., Any] = _rebuilt(function, given, {})
    return made


def _rebuilt(function: Any, given: Mapping[str, Any], made: dict[str, Any]) -> Any:
    """Return a function that calls those given by name in the place of its own, itself and through all it calls."""
    name = function.__name__
    if name not in made:
        used = [used for used in function.__code__.co_names if used in function.__globals__]
        globals_ = {used: function.__globals__[used] for used in used}
        for used, value in globals_.items():
            if used in given:
                globals_[used] = given[used]
            elif isinstance(python := getattr(value, "py_func", None), FunctionType):
                globals_[used] = _rebuilt(python, given, made)
        globals_["__name__"] = function.__module__
        made[name] = _compiled(FunctionType(function.__code__, globals_, name, function.__defaults__))
    return made[name]
