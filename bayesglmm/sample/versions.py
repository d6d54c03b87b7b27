"""`versions(packages)`: the versions of the packages that a fit was made with."""

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["versions"]

_PACKAGES = ("bayesglmm", "pymc", "pytensor", "nutpie", "numba", "arviz", "xarray", "numpy", "pandas")


def versions(more: Iterable[str] = ()) -> str:
    """Return the versions of Python, of the packages that every fit uses, and of more, as one line."""
    texts = [f"{name} {number}" for name in (*_PACKAGES, *more) if (number := _version(name))]
    return ", ".join([f"Python {platform.python_version()}", *texts])


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
