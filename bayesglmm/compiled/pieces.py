"""Decorators for functions that only compiled code calls.

They have no entry points for Python and C, which take long to compile, and are inlined by force: a call would leave a
status check that links to numba's runtime.
"""

from numba import njit

__all__ = ["SUMS", "piece", "summing"]

SUMS = {"reassoc", "contract", "nsz"}
"""Flags that allow vectorised sums: terms in any order, fused multiply-adds, no sign of zero."""

piece = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True)
summing = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, fastmath=SUMS)
