"""`versions(packages)`: what was installed, for a fit to record."""

import platform
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version

__all__ = ["versions"]

_PACKAGES = ("bayesglmm", "pymc", "pytensor", "nutpie", "numba", "arviz", "xarray", "numpy", "pandas")


def versions(more: Iterable[str] = ()) -> str:
    """Return the versions of Python and of the packages that a fit goes through, and of more, as one line."""
    found = [f"{name} {number}" for name in (*_PACKAGES, *more) if (number := _version(name))]
    return ", ".join([f"Python {platform.python_version()}", *found])


@cache
def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
