"""The workspace of a chunk of rows: the arrays through which links and families pass on what they compute."""

from enum import IntEnum, auto

__all__ = ["CHUNK", "WORK", "FromZero", "Work"]


class FromZero(IntEnum):
    """An enumeration counted from 0."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Work(FromZero):
    """The arrays of a chunk of rows, CHUNK doubles each, one after another.

    The link writes A to DB (`Link.rows`), the family the rest (`Family.rows`). After D_ETA stands one array for each
    family parameter: the derivatives of log f by it.
    """

    ETA = auto()
    """η."""
    A = auto()
    """μ, or log μ under a link to probabilities."""
    B = auto()
    """log μ, or log(1 − μ)."""
    DA = auto()
    """∂A/∂η."""
    DB = auto()
    """∂B/∂η."""
    LL = auto()
    """log f, without the family's constant."""
    D_ETA = auto()
    """∂ log f/∂η."""


CHUNK = 1032
"""Rows worked on at a time, so that what is written is still in the cache when it is read.

Shorter chunks stream many rows more slowly. 1032, not 1024: strides that are multiples of 4 KiB map to the same cache
sets.
"""

WORK = len(Work)
"""The number of these arrays, those of the family parameters not among them."""
