"""`load(built)`: machine code into memory, by LLVM alone, which takes less time than importing numba."""

import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import llvmlite.binding as llvm

__all__ = ["Built", "load", "machine"]

_engines: list[Any] = []
"""The engines that own the code, kept to the end of the process: its addresses are plain numbers."""


@dataclass(frozen=True)
class Built:
    """A compiled function.

    Parameters
    ----------
    code
        An object file.
    entry
        The name of the C function in it.
    needs
        The external symbols that it refers to.
    """

    code: bytes
    entry: str
    needs: tuple[str, ...]


@cache
def machine() -> str:
    """Return what machine code depends on beside its source: processor, system, versions of the compilers."""
    versions = [sys.version.split()[0], *(version(package) for package in ("llvmlite", "numba", "numpy"))]
    features = llvm.get_host_cpu_features().flatten()
    return " ".join([llvm.get_process_triple(), llvm.get_host_cpu_name(), features, platform.machine(), *versions])


def load(built: Built) -> int:
    """Load a function, for the rest of the process, and return its address.

    Raises
    ------
    ImportError
        If it refers to a symbol that neither the process nor numba's runtime has; LLVM would abort the process.
    """
    engine = _engine()
    if _absent(built):
        _load_numba()
    if absent := _absent(built):
        raise ImportError(f"compiled code refers to {absent[0]}, which no loaded library defines")
    engine.add_object_file(llvm.ObjectFileRef.from_data(built.code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(built.entry))


def _absent(built: Built) -> list[str]:
    return [name for name in built.needs if llvm.address_of_symbol(name) is None]


def _engine() -> Any:
    """Return a new engine: one for each object, so that equal symbols in two do not clash."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)


def _load_numba() -> None:
    """Register numba's runtime with LLVM, which code that holds arrays calls."""
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys

    rtsys.initialize(cpu_target.target_context)
