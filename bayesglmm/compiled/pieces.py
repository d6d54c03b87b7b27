"""Decorators for functions that only compiled code calls.

They have no entries for Python and C, which take long to compile. And they are always compiled into what calls them:
elsewhere a process that compiles would run copies of them compiled alone, one that loads from disk those compiled
with their callers, and the two round differently.
"""

from numba import njit

__all__ = ["SUMS", "piece", "summing"]

SUMS = {"reassoc", "contract", "nsz"}
"""What vector instructions need: sums in any order."""

piece = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)
summing = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, fastmath=SUMS)
