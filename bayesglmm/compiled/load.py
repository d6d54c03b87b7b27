"""`load(built)`: machine code into memory, by LLVM without numba, which takes longer to import than to do this."""

import platform
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import llvmlite.binding as llvm

__all__ = ["Built", "load", "machine"]

_kept: list[Any] = []
"""The engines that hold the code: until the process ends, since addresses are handed on as numbers."""


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
        The names of what it calls elsewhere.
    """

    code: bytes
    entry: str
    needs: tuple[str, ...]


@cache
def machine() -> str:
    """Return what code depends on beside its source: the processor, the system, the versions that make it."""
    versions = [sys.version.split()[0], *(version(package) for package in ("llvmlite", "numba", "numpy"))]
    features = llvm.get_host_cpu_features().flatten()
    return " ".join([llvm.get_process_triple(), llvm.get_host_cpu_name(), features, platform.machine(), *versions])


def load(built: Built) -> int:
    """Load a function for as long as the process runs, and return its address."""
    engine = _engine()
    if _absent(built):
        _load_numba()
    if absent := _absent(built):  # LLVM would end the process
        raise ImportError(f"compiled code calls {absent[0]}, which is nowhere")
    engine.add_object_file(llvm.ObjectFileRef.from_data(built.code))
    engine.finalize_object()
    _kept.append(engine)
    return int(engine.get_function_address(built.entry))


def _absent(built: Built) -> list[str]:
    return [name for name in built.needs if llvm.address_of_symbol(name) is None]


def _engine() -> Any:
    """Return an engine of its own, so that names in one object meet none of another."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_triple(llvm.get_process_triple()).create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)


def _load_numba() -> None:
    """Have numba tell LLVM where its own run time is, which code that holds arrays calls."""
    from numba.core.registry import cpu_target
    from numba.core.runtime import rtsys

    rtsys.initialize(cpu_target.target_context)
