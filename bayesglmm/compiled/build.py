"""`build(function, signature)`: a function as machine code, by numba's front end and one run of LLVM.

numba would optimise and emit every function that another calls on its own, and then all of it once more with
whatever calls it. Here functions that are called are only turned into LLVM's language and linked; what is optimised
and emitted is the whole, once. That takes half the time.
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
    """A library that is linked into others, and neither optimised nor emitted by itself."""

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
    needs = [outer.name for outer in library._final_module.functions if outer.is_declaration]
    needs += [outer.name for outer in library._final_module.global_variables if outer.is_declaration]
    wanted = tuple(name for name in needs if not name.startswith("llvm."))
    return Built(code, result.fndesc.llvm_cfunc_wrapper_name, wanted)


@contextmanager
def _linking() -> Iterator[None]:
    """Have numba make its libraries of the class above; the compiler lock keeps other threads out."""
    codegen = cpu_target.target_context.codegen()
    usual = codegen._library_class
    codegen._library_class = _Linked
    codegen.set_env = lambda name, environment: None  # nothing is emitted that could hold one
    try:
        yield
    finally:
        codegen._library_class = usual
        del codegen.set_env
