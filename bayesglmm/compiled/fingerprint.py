"""`fingerprint(function)`: a digest of what a function computes, and whether all of it is the package's.

Functions of one digest compile to the same code. It is taken over bytecode, constants, defaults, closures and every
global that is read, and recursively over the functions that are called; the function's name, line numbers and comments
do not count. An edited helper, a changed constant or another function of the same name gives another digest.
"""

import hashlib
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cache
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

__all__ = ["PACKAGE", "Fingerprint", "fingerprint"]

PACKAGE = Path(__file__).parents[1]
"""The folder of the package."""

_LIBRARIES = ("numba", "numpy", "llvmlite")
"""Packages whose functions are identified by name: machine code is kept by their versions."""


@dataclass(frozen=True)
class Fingerprint:
    """What a function computes.

    Parameters
    ----------
    digest
        The digest.
    modules
        The modules of the package that define it and the functions it calls.
    ours
        Whether all functions are the package's own, and all values numbers, texts, arrays or types.
    held
        Objects that the digest identifies by their id, which have to live as long as the digest is compared.
    jitted
        The functions of others that numba has decorated, each after those it calls.
    """

    digest: str
    modules: frozenset[str]
    ours: bool
    held: tuple[Any, ...] = field(repr=False, compare=False)
    jitted: tuple[Any, ...] = field(repr=False, compare=False)

    def renew(self) -> None:
        """Have numba recompile the functions of others that it has decorated, with the present globals."""
        for function in self.jitted:
            function.recompile()


def fingerprint(function: Callable[..., Any]) -> Fingerprint:
    """Return the fingerprint of a function, of Python or decorated by numba."""
    walk = _Walk()
    digest = hashlib.sha256("\n".join(walk.of(function, frozenset())).encode()).hexdigest()
    return Fingerprint(digest, frozenset(walk.modules), walk.ours, tuple(walk.held), tuple(walk.jitted))


class _Walk:
    """One pass over a function and all that it refers to; each object is described at its first occurrence."""

    def __init__(self) -> None:
        self.modules: set[str] = set()
        self.ours = True
        self.held: list[Any] = []
        self.jitted: list[Any] = []
        self._met: dict[int, int] = {}
        self._within: set[int] = set()

    def of(self, value: Any, names: frozenset[str]) -> Iterator[str]:
        """Describe a value; of modules and classes the attributes of the given names."""
        if value is None or value is Ellipsis or type(value) in (bool, int, float, complex, str, bytes):
            yield f"{type(value).__name__} {value!r}"
            return
        if id(value) in self._within:
            yield f"within {type(value).__qualname__}"
        elif id(value) in self._met:
            yield f"met {self._met[id(value)]}"
        else:
            if isinstance(value, FunctionType | ModuleType | type):  # other equal values may be one object or several
                self._met[id(value)] = len(self._met)
            self._within.add(id(value))
            yield type(value).__qualname__
            yield from self._contents(value, names)
            self._within.discard(id(value))

    def _contents(self, value: Any, names: frozenset[str]) -> Iterator[str]:
        match value:
            case FunctionType():
                yield from self._function(value)
            case CodeType():
                yield from self._code(value, names)
            case Enum():
                yield f"{type(value).__module__} {value.name}"
                yield from self.of(value.value, names)
            case tuple() | list():
                yield str(len(value))
                for item in value:
                    yield from self.of(item, names)
            case dict():
                yield str(len(value))
                for key, item in value.items():
                    yield from self.of(key, names)
                    yield from self.of(item, names)
            case set() | frozenset():
                yield from sorted(f"{type(item).__name__} {item!r}" for item in value)
            case np.ndarray() | np.generic() if not value.dtype.hasobject:
                yield f"{value.dtype.descr} {value.shape} {np.isfortran(np.asarray(value))}"
                yield hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()
            case ModuleType():
                yield value.__name__
                yield from self._attributes(value, names)
            case type():
                yield f"{value.__module__} {value.__qualname__}"
                yield from self._class(value, names)
            case _:
                yield from self._other(value, names)

    def _function(self, function: FunctionType) -> Iterator[str]:
        code = function.__code__
        if _of_library(code.co_filename):
            yield f"{function.__module__} {function.__qualname__}"
            return
        if _of_package(code.co_filename):
            self.modules.add(function.__globals__["__name__"])
        else:
            self.ours = False
        names = frozenset(_names(code))
        yield from self._code(code, names)
        yield from self.of(function.__defaults__, names)
        yield from self.of(function.__kwdefaults__, names)
        for cell in function.__closure__ or ():
            yield from self.of(_cell_contents(cell), names)
        for name in sorted(names & function.__globals__.keys()):
            yield f"global {name}"
            yield from self.of(function.__globals__[name], names)

    def _code(self, code: CodeType, names: frozenset[str]) -> Iterator[str]:
        yield hashlib.sha256(code.co_code + code.co_exceptiontable).hexdigest()
        yield f"{code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount} {code.co_flags}"
        yield f"{code.co_names} {code.co_varnames} {code.co_freevars} {code.co_cellvars}"
        for constant in code.co_consts:
            yield from self.of(constant, names)

    def _class(self, kind: type, names: frozenset[str]) -> Iterator[str]:
        if issubclass(kind, Enum):
            for member in kind:
                yield member.name
                yield from self.of(member.value, names)
        elif _root(kind) != "builtins" and _root(kind) not in _LIBRARIES:
            yield from self._attributes(kind, names)

    def _attributes(self, holder: Any, names: frozenset[str]) -> Iterator[str]:
        for name in sorted(names & vars(holder).keys()):
            yield f"attribute {name}"
            yield from self.of(vars(holder)[name], names)

    def _other(self, value: Any, names: frozenset[str]) -> Iterator[str]:
        """Describe a function that numba has decorated, or one of a library by its name; any other object by its id."""
        python = getattr(value, "py_func", None) or getattr(value, "__wrapped__", None)
        if isinstance(python, FunctionType):
            yield from self.of(getattr(value, "targetoptions", None), names)
            yield from self.of(python, names)
            if hasattr(value, "recompile") and not _known(python.__code__.co_filename):
                self.jitted.append(value)
        elif isinstance(value, staticmethod):
            yield from self.of(value.__func__, names)
        elif _root(type(value)) in ("numba", "llvmlite"):
            yield str(value)  # a type
        elif isinstance(value, BuiltinFunctionType | np.ufunc) or (_named(value) and _root(value) in _LIBRARIES):
            yield f"{getattr(value, '__module__', '')} {value.__name__}"
        else:
            self.ours = False
            self.held.append(value)
            yield f"{type(value).__module__} {id(value)}"


def _names(code: CodeType) -> Iterator[str]:
    """Return the names of globals and attributes that code and the code within it use."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _cell_contents(cell: Any) -> Any:
    """Return the contents of a closure's cell as a tuple, an empty one if it has none yet."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def _named(value: Any) -> bool:
    return isinstance(getattr(value, "__name__", None), str)


def _root(value: Any) -> str:
    return str(getattr(value, "__module__", None) or "").partition(".")[0]


def _known(file: str) -> bool:
    return _of_package(file) or _of_library(file)


@cache
def _of_package(file: str) -> bool:
    return Path(file).is_relative_to(PACKAGE)


@cache
def _of_library(file: str) -> bool:
    """Whether a function's file is of the standard library or of a package in `_LIBRARIES`."""
    if any(Path(file).is_relative_to(folder) for folder in _folders(_LIBRARIES)):
        return True
    relative = [Path(file).relative_to(folder) for folder in _folders(("os",)) if Path(file).is_relative_to(folder)]
    return any(path.parts[0] not in ("site-packages", "dist-packages") for path in relative)


def _folders(modules: Iterable[str]) -> list[Path]:
    """Return the folders of modules, of those that are loaded."""
    return [Path(sys.modules[name].__file__ or "").parent for name in modules if name in sys.modules]
