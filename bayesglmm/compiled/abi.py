"""How kernels call each other: by C pointers and addresses, so that one compilation serves every model.

Kernels work on C pointers, not on arrays: an array brings its shape, its strides and reference counting, which would
take most of the time of a first run to compile. `interpreted` has the same operations in plain Python, with bounds
checked, for tests.
"""

import ctypes
import operator
from typing import Any

from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

__all__ = [
    "ALLOCATE",
    "EXPAND",
    "FAMILY",
    "INTEGRATE",
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
    "repeated",
    "words",
]

_DOUBLES = types.CPointer(types.float64)
_INTEGERS = types.CPointer(types.int64)
_INDICES = types.CPointer(types.int32)

LOGP = types.int64(types.uint64, _DOUBLES, _DOUBLES, _DOUBLES, _INTEGERS)
"""nutpie's log density: dimension, point, gradient (written), value (written), header; returns 0 if finite."""

EXPAND = types.int64(types.uint64, types.uint64, _DOUBLES, _DOUBLES, _INTEGERS)
"""nutpie's expansion: dimension, length of what is written, point, variables (written), header; returns 0."""

LINK = types.void(types.int64, _DOUBLES)
"""A link's rows: n, workspace, in which it reads η and writes A, B, DA and DB (see `Work`)."""

FAMILY = types.void(types.int64, *[_DOUBLES] * 4)
"""A family's rows: n, y, trials, workspace, φ; it writes log f and its derivatives into the workspace (see `Work`)."""

INTEGRATE = types.int64(types.int64)
"""The integrals of `marginalize`: address of the header; returns 0."""

PRIOR = types.float64(types.float64, types.float64, types.float64, types.float64, _DOUBLES)
"""A prior's log density: θ, three constants, derivative by θ (written)."""


def _address(function: Any) -> int:
    value = ctypes.cast(function, ctypes.c_void_p).value
    assert value is not None
    return value


ALLOCATE, RELEASE = _address(ctypes.pythonapi.PyMem_RawMalloc), _address(ctypes.pythonapi.PyMem_RawFree)
"""PyMem_RawMalloc and PyMem_RawFree: thread-safe without the GIL, and exported under these names on every platform."""


@type_callable(operator.getitem)
def _named_entry(context: Any) -> Any:
    """Type `pointer[Table.ENTRY]`, a C pointer indexed by a member of an enumeration, and `repeated(value)[i]`."""

    def typed(pointer: Any, index: Any) -> Any:
        if isinstance(pointer, _Repeated):
            return types.float64 if isinstance(index, types.Integer) else None
        by_member = isinstance(pointer, types.CPointer) and isinstance(index, types.IntEnumMember)
        return pointer.dtype if by_member else None

    return typed


@lower_builtin(operator.getitem, types.CPointer, types.IntEnumMember)
def _load(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return builder.load(builder.gep(args[0], [args[1]], inbounds=True))


class _Repeated(types.Type):  # type: ignore[misc]  # numba has no types
    """The type of one number that is read as an array: the same at every index."""

    def __init__(self) -> None:
        super().__init__(name="repeated")


@register_model(_Repeated)
class _RepeatedModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, ir.DoubleType())


@intrinsic
def repeated(typingctx: Any, value: Any) -> Any:
    """Return what has a number at every index, so that what a loop computes of it alone is computed once."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return args[0]

    return _Repeated()(types.float64), codegen


@lower_builtin(operator.getitem, _Repeated, types.Integer)
def _repeated_value(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    return args[0]


def _pointer(pointer_type: Any) -> Any:
    def typed(typingctx: Any, address: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(pointer_type))

        return pointer_type(address), codegen

    return typed


doubles = intrinsic(_pointer(_DOUBLES))
"""Turn an address into a pointer to doubles."""

integers = intrinsic(_pointer(_INTEGERS))
"""Turn an address into a pointer to int64s."""

indices = intrinsic(_pointer(_INDICES))
"""Turn an address into a pointer to int32s."""

_anything = intrinsic(_pointer(types.voidptr))
"""Turn an address into a void pointer, which `carray` views as an array of any type."""


@intrinsic
def further(typingctx: Any, pointer: Any, n: Any) -> Any:
    """Return the pointer n elements further on."""

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
    """Free what `allocate` returned."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function_type = ir.FunctionType(ir.VoidType(), [ir.DoubleType().as_pointer()])
        builder.call(builder.inttoptr(args[0], function_type.as_pointer()), [args[1]])
        return context.get_dummy_value()

    return types.void(types.int64, pointer), codegen


def _caller(wanted: Any) -> Any:
    """Return type and code of an intrinsic that calls the C function of a signature at an address.

    Each pointer may be passed as a pointer or as an address.
    """
    double, word = ir.DoubleType(), ir.IntType(64)
    native = {types.float64: double, types.int64: word, _DOUBLES: double.as_pointer(), types.void: ir.VoidType()}
    function_type = ir.FunctionType(native[wanted.return_type], [native[arg] for arg in wanted.args])

    def typed(*actual: Any) -> Any:
        passed = [
            types.int64 if declared == _DOUBLES and isinstance(received, types.Integer) else declared
            for declared, received in zip(wanted.args, actual, strict=True)
        ]
        return wanted.return_type(types.int64, *passed)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], function_type.as_pointer())
        passed = [
            builder.inttoptr(value, double.as_pointer()) if declared == _DOUBLES and received == types.int64 else value
            for value, received, declared in zip(args[1:], signature.args[1:], wanted.args, strict=True)
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
def call_family(typingctx: Any, address: Any, n: Any, y: Any, trials: Any, work: Any, phi: Any) -> Any:
    """Call a family's rows at an address."""
    return _family(n, y, trials, work, phi), _family_code


@intrinsic
def call_prior(typingctx: Any, address: Any, theta: Any, a: Any, b: Any, c: Any, d_theta: Any) -> Any:
    """Call a prior's density at an address."""
    return _prior(theta, a, b, c, d_theta), _prior_code


@njit(inline="always", error_model="numpy")
def floats(address, n):
    """View n doubles at an address as an array."""
    return carray(_anything(address), (n,), types.float64)


@njit(inline="always", error_model="numpy")
def words(address, n):
    """View n integers at an address as an array."""
    return carray(_anything(address), (n,), types.int64)
