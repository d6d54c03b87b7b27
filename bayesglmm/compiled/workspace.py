"""The workspace of a chunk of rows, through which links and families hand on what they compute."""

from enum import IntEnum, auto

__all__ = ["CHUNK", "WORK", "FromZero", "Work"]


class FromZero(IntEnum):
    """Names of places, counted from 0."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Work(FromZero):
    """The arrays of a chunk of rows, one after another."""

    ETA = auto()
    A = auto()
    B = auto()
    DA = auto()
    DB = auto()
    D_ETA = auto()


CHUNK = 1032
"""Rows worked on at a time, so that what is written is still in the cache when it is read.

Shorter chunks read many rows more slowly from memory; arrays whole pages apart would share few places of the cache.
"""

WORK = len(Work)
