"""`compiled(signature)`: a C function compiled by numba, once for all functions that compute the same.

What the package's own functions compile to is kept on disk, under a name and with a digest that say what they compute;
it is loaded by LLVM alone, without numba. A process that compiles loads what it has just written, so that it computes
to the last bit what later processes do. Functions of others are compiled in the process and stay there.
"""

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
"""Settings of numba that leave the code as it is."""

_PUBLIC = (
    "numba's inner parts are not those that bayesglmm was made for ({reason}): it compiles by the public numba.cfunc, "
    "to the same posterior, but anew in every process, which takes some 20 seconds. Install a version of numba that "
    "bayesglmm names to have it kept on disk"
)

_lock = RLock()
_addresses: dict[tuple[str, str], tuple[int, Any]] = {}
"""Of functions compiled or loaded, by signature and digest; and what has to live with them."""

_refused: dict[tuple[str, str], tuple[str, Any]] = {}
"""Why functions could not be compiled, by signature and digest; and what has to live with them."""

_changed: list[str] = []
"""What numba's private interface failed at in this process; empty while it works."""


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
        What its file is called by.
    beside
        Modules of the package whose sources it depends on beside those of the functions it is made of.
    """

    function: Callable[..., Any]
    signature: Any
    name: str
    beside: frozenset[str] = frozenset()

    @cached_property
    def address(self) -> int:
        """Where it stands; the process keeps it to its end.

        Raises
        ------
        InterfaceError
            If numba cannot compile it.
        """
        found = fingerprint(self.function)
        key = str(self.signature), found.digest
        with _lock:
            if key in _refused:
                raise InterfaceError(_refused[key][0], "numba")
            if key not in _addresses:
                try:
                    _addresses[key] = self._obtain(found), found.held
                except InterfaceError as error:
                    _refused[key] = str(error), found.held
                    raise
            return _addresses[key][0]

    def _obtain(self, found: Fingerprint) -> int:
        """Load the function from disk or compile it; by numba's public interface, where the private one has changed."""
        found.renew()
        if not _changed:
            try:
                return load(self._built(found))
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

    def _built(self, found: Fingerprint) -> Built:
        """Return the function from disk; compiled, and kept there if it is the package's own, where it is not."""
        digest = sources(found.modules | self.beside | {__name__}) if found.ours else None
        path = None if digest is None else self._path(found)
        built = None if path is None else _read(path, digest)
        if built is None:
            from bayesglmm.compiled.build import build

            built = build(self.function, self.signature)
            if path is not None:
                _write(path, digest, built)
        return built

    def _path(self, found: Fingerprint) -> Path | None:
        """Return the file of the function for this machine, this user and this copy of the package."""
        place = folder.folder()
        return None if place is None else place / f"{_plain(self.name)}.{found.digest[:12]}.{_machine()}.object"


def compiled(
    signature: Any, name: str | None = None, beside: frozenset[str] = frozenset()
) -> Callable[[Callable[..., Any]], Compiled]:
    """Return a decorator that makes a C function of a signature of a function.

    Parameters
    ----------
    signature
        The signature.
    name
        What its file is called by; its own name for None.
    beside
        Modules of the package whose sources it depends on beside those of the functions it is made of.
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
"""What holds the code that `public` has compiled."""


def first_line(error: BaseException) -> str:
    """Return what an error says first, of numba's what it says of the code."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Failed in nopython mode")]
    return next(iter(telling + lines), type(error).__name__)


def _plain(name: str) -> str:
    """Return a name that every file system takes."""
    return re.sub(r"[^\w.]", "", name.replace("<locals>.", ""))[-150:]


@cache
def _machine() -> str:
    """Return a digest of what code depends on beside its source, of whose it is and of what it is a copy."""
    user = os.geteuid() if hasattr(os, "geteuid") else ""
    settings = [f"{name}={value}" for name, value in sorted(os.environ.items()) if name.startswith("NUMBA_")]
    settings = [setting for setting in settings if setting.partition("=")[0] not in _NOT_OF_CODE]
    return hashlib.sha256(f"{PACKAGE} {user} {machine()} {settings}".encode()).hexdigest()[:12]


def _read(path: Path, sources: str | None) -> Built | None:
    """Return a function from disk; None if it is not there, whole, trusted and of the present sources."""
    written = folder.read(path)
    if written is None:
        return None
    digest, _, content = written.partition(b"\n")
    if digest != hashlib.sha256(content).hexdigest().encode():
        return None
    head, _, code = content.partition(b"\n")
    about = json.loads(head)
    return Built(code, about["entry"], tuple(about["needs"])) if about["sources"] == sources else None


def _write(path: Path, sources: str | None, built: Built) -> None:
    """Write a function to disk; if it cannot be written, a later process compiles it again."""
    about = {"sources": sources, "entry": built.entry, "needs": built.needs}
    content = json.dumps(about).encode() + b"\n" + built.code
    name, _, place = path.stem.rsplit(".", 2)
    earlier = re.compile(rf"{re.escape(name)}\.[0-9a-f]{{12}}\.{place}\.object")
    folder.write(path, hashlib.sha256(content).hexdigest().encode() + b"\n" + content, earlier)
