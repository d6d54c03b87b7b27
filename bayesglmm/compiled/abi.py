"""How compiled pieces call each other: C pointers and addresses, so that what is compiled once serves every model."""

from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = [
    "EXPAND",
    "FAMILY",
    "LINK",
    "LOGP",
    "PRIOR",
    "call_family",
    "call_link",
    "call_prior",
    "floats",
    "further",
    "pointer",
    "words",
]

_DOUBLES = types.CPointer(types.float64)
_HEADER = types.CPointer(types.int64)

LOGP = types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, _HEADER)
"""nutpie's log density: dimension, point, gradient out, value out, header; 0 if fine."""

EXPAND = types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, _HEADER)
"""nutpie's expansion: dimension, length out, point, variables out, header."""

LINK = types.void(types.int64, _DOUBLES)
"""A link's rows: n and the workspace, of which it reads η and writes four arrays (see `Link.rows`)."""

FAMILY = types.float64(types.int64, *[_DOUBLES] * 5)
"""A family's rows: n, y, trials, the workspace, parameters, ∂/∂parameters added to (see `Family.rows`)."""

PRIOR = types.float64(types.float64, types.float64, types.float64, types.float64, _DOUBLES)
"""A prior's density: value, three constants, derivative out."""


@intrinsic
def pointer(typingctx: Any, address: Any) -> Any:
    """Turn an address into a pointer to doubles or, for int64 data, to be viewed by `carray`."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), codegen


@intrinsic
def further(typingctx: Any, doubles: Any, n: Any) -> Any:
    """Return the pointer n doubles further on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]], inbounds=True)

    return _DOUBLES(_DOUBLES, types.int64), codegen


def _caller(signature: Any) -> Any:
    """Return a function of an address and arguments that calls the C function at the address.

    Pointers are passed as addresses.
    """
    double, word = ir.DoubleType(), ir.IntType(64)
    native = {types.float64: double, types.int64: word, _DOUBLES: double.as_pointer(), types.void: ir.VoidType()}
    function_type = ir.FunctionType(native[signature.return_type], [native[arg] for arg in signature.args])

    def typed(*args: Any) -> Any:
        plain = [types.int64 if arg == _DOUBLES else arg for arg in signature.args]
        return signature.return_type(types.int64, *plain)

    def codegen(context: Any, builder: Any, _: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], function_type.as_pointer())
        passed = [
            builder.inttoptr(value, double.as_pointer()) if wanted == _DOUBLES else value
            for value, wanted in zip(args[1:], signature.args, strict=True)
        ]
        result = builder.call(function, passed)
        return context.get_dummy_value() if signature.return_type == types.void else result

    return typed, codegen


_link, _link_code = _caller(LINK)
_family, _family_code = _caller(FAMILY)
_prior, _prior_code = _caller(PRIOR)


@intrinsic
def call_link(typingctx: Any, address: Any, n: Any, work: Any) -> Any:
    """Call a link's rows at an address."""
    return _link(), _link_code


@intrinsic
def call_family(typingctx: Any, address: Any, n: Any, y: Any, trials: Any, work: Any, values: Any, slopes: Any) -> Any:
    """Call a family's rows at an address."""
    return _family(), _family_code


@intrinsic
def call_prior(typingctx: Any, address: Any, value: Any, a: Any, b: Any, c: Any, slope: Any) -> Any:
    """Call a prior's density at an address."""
    return _prior(), _prior_code


@njit(inline="always", error_model="numpy")
def floats(address, n):
    """View n doubles at an address."""
    return carray(pointer(address), (n,), types.float64)


@njit(inline="always", error_model="numpy")
def words(address, n):
    """View n integers at an address."""
    return carray(pointer(address), (n,), types.int64)
