"""`build(function, signature)`: a function as machine code, by numba's front end and one run of LLVM.

numba optimises and emits every called function by itself, and again as part of its caller. Here called functions are
only lowered to LLVM IR and linked, and the whole is optimised and emitted once, which takes half the time.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba.core.ccallback import CFunc
from numba.core.codegen import CPUCodeLibrary, JITCodeLibrary
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target

from bayesglmm.compiled.load import Built

__all__ = ["build"]


class _Linked(JITCodeLibrary):  # type: ignore[misc]  # numba has no types
    """A library that is linked into others, not optimised or emitted by itself."""

    def _optimize_final_module(self) -> None:
        pass

    def _finalize_final_module(self) -> None:
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    def emitted(self) -> bytes:
        self._ensure_finalized()
        CPUCodeLibrary._optimize_final_module(self)
        self._final_module.verify()
        code: bytes = self._codegen._tm.emit_object(self._final_module)
        return code


@global_compiler_lock  # type: ignore[untyped-decorator]
def build(function: Callable[..., Any], signature: Any) -> Built:
    """Compile a function to a C function of a signature.

    Division by zero gives an infinity and 0/0 a NaN, as in C: no exception leaves a C function.
    """
    options = {"nopython": True, "error_model": "numpy"}
    wrapped: Any = CFunc(function, (signature.args, signature.return_type), {}, options)
    with _linking():
        result = wrapped._compile_uncached()
    library = result.library
    code = library.emitted()
    symbols = [*library._final_module.functions, *library._final_module.global_variables]
    external = [symbol.name for symbol in symbols if symbol.is_declaration and not symbol.name.startswith("llvm.")]
    return Built(code, result.fndesc.llvm_cfunc_wrapper_name, tuple(external))


@contextmanager
def _linking() -> Iterator[None]:
    """Have numba use `_Linked` for its libraries; the compiler lock keeps other threads out."""
    codegen = cpu_target.target_context.codegen()
    library_class = codegen._library_class
    codegen._library_class = _Linked
    codegen.set_env = lambda name, environment: None  # environments are for functions that Python calls
    try:
        yield
    finally:
        codegen._library_class = library_class
        del codegen.set_env
