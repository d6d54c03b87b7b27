"""`compiled(signature)`: a C function compiled by numba, kept on disk until any source it may depend on changes."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

__all__ = [
    "compiled",
    "fingerprint",
]

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


@cache
def fingerprint() -> str:
    """Return a digest of every source that is compiled.

    numba looks at the file of the function alone, by its time and size; the functions it calls may
    stand in another file, and installers give files whatever time they like.
    """
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(_PACKAGE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()


class _Cache(FunctionCache):  # type: ignore[misc]  # numba has no types
    """numba's cache of a function under a name of its own, its key extended by the fingerprint."""

    def __init__(self, function: Any, name: str) -> None:
        super().__init__(function)
        self._compiled_name = name

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return sig, codegen.magic_tuple(), self._compiled_name, fingerprint()


def compiled(signature: Any, name: str | None = None) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function to a C function of a signature, or takes it from disk.

    Division by zero gives an infinity and 0/0 a NaN, as in C: no exception leaves a C function.

    Parameters
    ----------
    signature
        The signature.
    name
        What tells functions apart that stand in one place and close over others; its own name for None.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        options = {"nopython": True, "error_model": "numpy"}
        result: Any = CFunc(function, (signature.args, signature.return_type), {}, options)
        result._cache = _Cache(function, name or function.__qualname__)
        result.compile()
        return result

    return decorate
