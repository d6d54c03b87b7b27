"""`compiled(signature)`: a C function compiled by numba, kept on disk until any source it may depend on changes."""

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache
from numba.core.ccallback import CFunc

__all__ = ["compiled", "fingerprint"]

_PACKAGE = Path(__file__).parents[1]
_SOURCES = ("density/*.py", "families/*.py", "priors/distributions.py", "links.py", "special.py")


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
    """numba's cache of a function, its key extended by the fingerprint."""

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        return (*super()._index_key(sig, codegen), fingerprint())


def compiled(signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function to a C function of a signature, or takes it from disk.

    Division by zero gives an infinity and 0/0 a NaN, as in C: no exception leaves a C function.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        options = {"nopython": True, "error_model": "numpy"}
        result: Any = CFunc(function, (signature.args, signature.return_type), {}, options)
        result._cache = _Cache(function)
        result.compile()
        return result

    return decorate
