"""Decorators for functions that only compiled code calls.

They have no entries for Python and C, which take long to compile, and become part of what calls them: a call left
standing would be followed by a look whether it failed, which needs numba to be there when the code runs.
"""

from numba import njit

__all__ = ["SUMS", "piece", "summing"]

SUMS = {"reassoc", "contract", "nsz"}
"""What vector instructions need: sums in any order."""

piece = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)
summing = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, fastmath=SUMS)
