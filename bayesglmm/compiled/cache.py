"""`compiled(signature)`: a C function compiled by numba, kept on disk until any source it may depend on changes.

What stands on disk is loaded by LLVM alone, without numba. A process that compiles loads what it has just written,
so that it computes to the last bit what later processes do.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bayesglmm.compiled.load import Built, load, machine

__all__ = ["Compiled", "compiled"]

_PACKAGE = Path(__file__).parents[1]
_SOURCES = (
    "compiled/*.py",
    "density/*.py",
    "families/*.py",
    "priors/distributions.py",
    "links.py",
    "special.py",
    "integrate/kernel.py",
)


@dataclass(frozen=True)
class Compiled:
    """A C function.

    Parameters
    ----------
    address
        Where it stands; the process keeps it to its end.
    """

    address: int


def compiled(signature: Any, name: str | None = None) -> Callable[[Callable[..., Any]], Compiled]:
    """Return a decorator that compiles a function to a C function of a signature, or takes it from disk.

    Parameters
    ----------
    signature
        The signature.
    name
        What tells functions apart that stand in one place and close over others; its own name for None.
    """

    def decorate(function: Callable[..., Any]) -> Compiled:
        named = name or f"{function.__module__}.{function.__qualname__}"
        built = _read(named)
        if built is None:
            from bayesglmm.compiled.build import build

            built = build(function, signature)
            _write(named, built)
        return Compiled(load(built))

    return decorate


@cache
def _sources() -> str:
    """Return a digest of every source that is compiled: installers give files whatever time they like."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _folder() -> Path | None:
    """Return the first folder that can be written: that of numba's own setting, the package's, the user's."""
    given, home = os.environ.get("NUMBA_CACHE_DIR"), os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    own = Path(home) if home else Path.home() / ".cache"
    for folder in [Path(given)] if given else [_PACKAGE / "compiled" / "__pycache__", own / "bayesglmm"]:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                return folder
        except OSError:
            continue
    return None


def _path(name: str) -> Path | None:
    """Return the file of a function for this machine, this Python and this copy of the package."""
    place = hashlib.sha256(f"{_PACKAGE} {machine()}".encode()).hexdigest()[:12]
    folder = _folder()
    return None if folder is None else folder / f"{name.replace('<locals>.', '')}.{place}.object"


def _read(name: str) -> Built | None:
    """Return a function from disk; None if it is not there, whole, and of the present sources."""
    path = _path(name)
    if path is None:
        return None
    try:
        digest, _, content = path.read_bytes().partition(b"\n")
        if digest.decode() != hashlib.sha256(content).hexdigest():
            return None
        head, _, code = content.partition(b"\n")
        about = json.loads(head)
        return Built(code, about["entry"], tuple(about["needs"])) if about["sources"] == _sources() else None
    except (OSError, UnicodeDecodeError):
        return None


def _write(name: str, built: Built) -> None:
    """Write a function to disk in one step; if it cannot be written, a later process compiles it again."""
    path = _path(name)
    if path is None:
        return
    about = {"sources": _sources(), "entry": built.entry, "needs": built.needs}
    content = json.dumps(about).encode() + b"\n" + built.code
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(hashlib.sha256(content).hexdigest().encode() + b"\n" + content)
        os.chmod(file.name, 0o644)  # others may use this copy of the package
        os.replace(file.name, path)
    except OSError:
        return
