"""`compiled(signature)`: a C function compiled by numba, once for all functions that compute the same.

The machine code of the package's own functions is kept on disk, under a name and with a digest that say what they
compute; it is loaded by LLVM alone, without numba. A process that compiles loads the code that it has just written, so
that it computes to the last bit what later processes do. Functions of others are compiled in memory, in each process.
"""

import ctypes
import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from threading import RLock
from typing import Any

from bayesglmm.compiled import folder
from bayesglmm.compiled.fingerprint import PACKAGE, Fingerprint, fingerprint
from bayesglmm.compiled.load import Built, load, machine
from bayesglmm.compiled.sources import sources
from bayesglmm.errors import InterfaceError, warn_once

__all__ = ["Compiled", "compiled", "first_line", "public"]

_NOT_OF_CODE = ("NUMBA_CACHE_DIR", "NUMBA_NUM_THREADS", "NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY")
"""Settings of numba that do not change the machine code."""

_PUBLIC = (
    "numba's inner parts are not those that bayesglmm was made for ({reason}): it compiles by the public numba.cfunc, "
    "to the same posterior, but anew in every process, which takes some 20 seconds. Install a version of numba that "
    "bayesglmm names to have it kept on disk"
)

_C_TYPES = {"int64": ctypes.c_int64, "uint64": ctypes.c_uint64, "float64": ctypes.c_double, "none": None}
"""What numba's types are in C, by their names; pointers aside."""

_lock = RLock()
_addresses: dict[tuple[str, str], tuple[int, Any]] = {}
"""By signature and digest: the address of the function, and the objects that the digest identifies by id."""

_refused: dict[tuple[str, str], tuple[str, Any]] = {}
"""By signature and digest: why a function could not be compiled, and the objects that the digest identifies by id."""

_changed: list[str] = []
"""The error of numba's private interface in this process; empty while it works."""


@dataclass(frozen=True)
class Compiled:
    """A C function, compiled or loaded when its address is asked for first.

    Parameters
    ----------
    function
        What it computes.
    signature
        Its signature.
    name
        The name of its file.
    beside
        Further modules of the package on whose sources it depends, beside those of the functions it calls.
    """

    function: Callable[..., Any]
    signature: Any
    name: str
    beside: frozenset[str] = frozenset()

    @cached_property
    def address(self) -> int:
        """The address of its machine code, which stays in memory to the end of the process.

        Raises
        ------
        InterfaceError
            If numba cannot compile it.
        """
        mark = fingerprint(self.function)
        key = str(self.signature), mark.digest
        with _lock:
            if key in _refused:
                raise InterfaceError(_refused[key][0], "numba")
            if key not in _addresses:
                try:
                    _addresses[key] = self._obtain(mark), mark.held
                except InterfaceError as error:
                    _refused[key] = str(error), mark.held
                    raise
            return _addresses[key][0]

    @cached_property
    def call(self) -> Callable[..., Any]:
        """The function as Python calls it, by ctypes: a pointer is given as an address.

        Raises
        ------
        InterfaceError
            If numba cannot compile it.
        """
        return ctypes.CFUNCTYPE(_c_type(self.signature.return_type), *map(_c_type, self.signature.args))(self.address)

    def _obtain(self, mark: Fingerprint) -> int:
        """Load the function from disk or compile it; by numba's public interface, where the private one has changed."""
        mark.renew()
        if not _changed:
            try:
                return load(self._built(mark))
            except MemoryError:
                raise
            except Exception as error:  # whatever a changed interface does; not if the public one fails as well
                reason = f"{type(error).__name__}: {first_line(error)}"
        try:
            address = public(self.function, self.signature)
        except MemoryError:
            raise
        except Exception as error:
            message = f"numba cannot compile {self.name} ({type(error).__name__}: {first_line(error)})"
            raise InterfaceError(message, "numba") from error
        if not _changed:
            _changed.append(reason)
        warn_once("numba", _PUBLIC.format(reason=_changed[0]))
        return address

    def _built(self, mark: Fingerprint) -> Built:
        """Return the function from disk, or else compile it; if it is the package's own, it is written to disk."""
        digest = sources(mark.modules | self.beside | {__name__}) if mark.ours else None
        path = None if digest is None else self._path(mark)
        built = None if path is None else _read(path, digest)
        if built is None:
            from bayesglmm.compiled.build import build

            built = build(self.function, self.signature)
            if path is not None:
                _write(path, digest, built)
        return built

    def _path(self, mark: Fingerprint) -> Path | None:
        """Return the file of the function for this machine, this user and this copy of the package."""
        directory = folder.folder()
        return None if directory is None else directory / f"{_plain(self.name)}.{mark.digest[:12]}.{_machine()}.object"


def _c_type(numba_type: Any) -> Any:
    name = str(numba_type)
    return ctypes.c_void_p if name.endswith("*") else _C_TYPES[name]


def compiled(
    signature: Any, name: str | None = None, beside: frozenset[str] = frozenset()
) -> Callable[[Callable[..., Any]], Compiled]:
    """Return a decorator that makes a C function of a signature of a function.

    Parameters
    ----------
    signature
        The signature.
    name
        The name of its file; that of the function for None.
    beside
        Further modules of the package on whose sources it depends, beside those of the functions it calls.
    """

    def decorate(function: Callable[..., Any]) -> Compiled:
        return Compiled(function, signature, name or f"{function.__module__}.{function.__qualname__}", beside)

    return decorate


def public(function: Callable[..., Any], signature: Any) -> int:
    """Compile a function by numba's public interface, and return its address; it stays to the end of the process."""
    import numba

    made = numba.cfunc(signature, nopython=True, error_model="numpy")(function)
    _kept.append(made)
    return int(made.address)


_kept: list[Any] = []
"""The objects that own the code of `public`, which numba frees with them; kept to the end of the process."""


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message; of numba's errors the first that is about the code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    informative = [line for line in lines if not line.startswith("Failed in nopython mode")]
    return next(iter(informative + lines), type(error).__name__)


def _plain(name: str) -> str:
    """Return a name that is valid on every file system."""
    return re.sub(r"[^\w.]", "", name.replace("<locals>.", ""))[-150:]


@cache
def _machine() -> str:
    """Return a digest of what code depends on beside its source, of the user, and of the package's folder."""
    user = os.geteuid() if hasattr(os, "geteuid") else ""
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    settings = [setting for setting in settings if setting.partition("=")[0] not in _NOT_OF_CODE]
    return hashlib.sha256(f"{PACKAGE} {user} {machine()} {settings}".encode()).hexdigest()[:12]


def _read(path: Path, sources: str | None) -> Built | None:
    """Return a function from disk; None if it is not there, or damaged, not trusted, or of other sources."""
    file = folder.read(path)
    if file is None:
        return None
    digest, _, content = file.partition(b"\n")
    if digest != hashlib.sha256(content).hexdigest().encode():
        return None
    first, _, code = content.partition(b"\n")
    meta = json.loads(first)
    return Built(code, meta["entry"], tuple(meta["needs"])) if meta["sources"] == sources else None


def _write(path: Path, sources: str | None, built: Built) -> None:
    """Write a function to disk; if it cannot be written, a later process compiles it again."""
    meta = {"sources": sources, "entry": built.entry, "needs": built.needs}
    content = json.dumps(meta).encode() + b"\n" + built.code
    name, _, machine_digest = path.stem.rsplit(".", 2)
    earlier = re.compile(rf"{re.escape(name)}\.[0-9a-f]{{12}}\.{machine_digest}\.object")
    folder.write(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content, earlier)
