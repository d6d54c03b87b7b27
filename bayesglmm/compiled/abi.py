"""How compiled pieces call each other: C pointers and addresses, so that what is compiled once serves every model.

Compiled functions work on C pointers, not arrays: an array brings its shape, its bounds and the counting of who
holds it, and most of the time that a first run takes would go into compiling those.
"""

import ctypes
import operator
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic, lower_builtin, type_callable

__all__ = [
    "ALLOCATE",
    "EXPAND",
    "FAMILY",
    "LINK",
    "LOGP",
    "PRIOR",
    "RELEASE",
    "allocate",
    "call_family",
    "call_link",
    "call_prior",
    "doubles",
    "floats",
    "further",
    "indices",
    "integers",
    "release",
    "words",
]

_DOUBLES = types.CPointer(types.float64)
_INTEGERS = types.CPointer(types.int64)
_INDICES = types.CPointer(types.int32)

LOGP = types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, _INTEGERS)
"""nutpie's log density: dimension, point, gradient out, value out, header; 0 if fine."""

EXPAND = types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, _INTEGERS)
"""nutpie's expansion: dimension, length out, point, variables out, header."""

LINK = types.void(types.int64, _DOUBLES)
"""A link's rows: n and the workspace, of which it reads η and writes four arrays (see `Link.rows`)."""

FAMILY = types.float64(types.int64, *[_DOUBLES] * 5)
"""A family's rows: n, y, trials, the workspace, parameters, ∂/∂parameters added to (see `Family.rows`)."""

PRIOR = types.float64(types.float64, types.float64, types.float64, types.float64, _DOUBLES)
"""A prior's density: value, three constants, derivative out."""


def _address(function: Any) -> int:
    value = ctypes.cast(function, ctypes.c_void_p).value
    assert value is not None
    return value


ALLOCATE, RELEASE = _address(ctypes.pythonapi.PyMem_RawMalloc), _address(ctypes.pythonapi.PyMem_RawFree)
"""Python's own malloc and free, which any thread may call: their addresses are the same names on every system."""


@type_callable(operator.getitem)
def _named_entry(context: Any) -> Any:
    """Type `pointer[Name.ENTRY]`: the entry of a C pointer that a member of an enumeration numbers."""

    def typed(pointer: Any, index: Any) -> Any:
        named = isinstance(pointer, types.CPointer) and isinstance(index, types.IntEnumMember)
        return pointer.dtype if named else None

    return typed


@lower_builtin(operator.getitem, types.CPointer, types.IntEnumMember)
def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.load(builder.gep(args[0], [args[1]], inbounds=True))


def _pointer(kind: Any) -> Any:
    def typed(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(kind))

        return kind(address), codegen

    return typed


doubles = intrinsic(_pointer(_DOUBLES))
"""Turn an address into a pointer to doubles."""

integers = intrinsic(_pointer(_INTEGERS))
"""Turn an address into a pointer to int64s."""

indices = intrinsic(_pointer(_INDICES))
"""Turn an address into a pointer to int32s, which are read where many are."""

_anything = intrinsic(_pointer(types.voidptr))
"""Turn an address into a pointer that `carray` views as what it is told."""


@intrinsic
def further(typingctx: Any, pointer: Any, n: Any) -> Any:
    """Return the pointer n entries further on."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.gep(args[0], [args[1]], inbounds=True)

    return pointer(pointer, types.int64), codegen


@intrinsic
def allocate(typingctx: Any, allocator: Any, n: Any) -> Any:
    """Return a pointer to n doubles, not initialized, of the allocator at an address."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, pointer = ir.IntType(64), ir.DoubleType().as_pointer()
        function = builder.inttoptr(args[0], ir.FunctionType(pointer, [word]).as_pointer())
        return builder.call(function, [builder.mul(args[1], ir.Constant(word, 8))])

    return _DOUBLES(types.int64, types.int64), codegen


@intrinsic
def release(typingctx: Any, releaser: Any, pointer: Any) -> Any:
    """Give back what `allocate` returned."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.FunctionType(ir.VoidType(), [ir.DoubleType().as_pointer()])
        builder.call(builder.inttoptr(args[0], kind.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(types.int64, pointer), codegen


def _caller(wanted: Any) -> Any:
    """Return a function of an address and arguments that calls the C function at the address.

    A pointer may be given as one or as an address.
    """
    double, word = ir.DoubleType(), ir.IntType(64)
    native = {types.float64: double, types.int64: word, _DOUBLES: double.as_pointer(), types.void: ir.VoidType()}
    function_type = ir.FunctionType(native[wanted.return_type], [native[arg] for arg in wanted.args])

    def typed(*given: Any) -> Any:
        passed = [
            types.int64 if arg == _DOUBLES and isinstance(own, types.Integer) else arg
            for arg, own in zip(wanted.args, given, strict=True)
        ]
        return wanted.return_type(types.int64, *passed)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], function_type.as_pointer())
        passed = [
            builder.inttoptr(value, double.as_pointer()) if arg == _DOUBLES and own == types.int64 else value
            for value, own, arg in zip(args[1:], signature.args[1:], wanted.args, strict=True)
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
    return _link(n, work), _link_code


@intrinsic
def call_family(typingctx: Any, address: Any, n: Any, y: Any, trials: Any, work: Any, values: Any, slopes: Any) -> Any:
    """Call a family's rows at an address."""
    return _family(n, y, trials, work, values, slopes), _family_code


@intrinsic
def call_prior(typingctx: Any, address: Any, value: Any, a: Any, b: Any, c: Any, slope: Any) -> Any:
    """Call a prior's density at an address."""
    return _prior(value, a, b, c, slope), _prior_code


@njit(inline="always", error_model="numpy")
def floats(address, n):
    """View n doubles at an address as an array."""
    return carray(_anything(address), (n,), types.float64)


@njit(inline="always", error_model="numpy")
def words(address, n):
    """View n integers at an address as an array."""
    return carray(_anything(address), (n,), types.int64)
