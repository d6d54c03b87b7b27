"""Decorators for functions that only compiled code calls: no entries for Python and C, which take long to compile."""

from numba import njit

__all__ = ["SUMS", "piece", "summing"]

SUMS = {"reassoc", "contract", "nsz"}
"""What vector instructions need: sums in any order."""

piece = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
summing = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True, fastmath=SUMS)
