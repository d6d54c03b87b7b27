"""Where everything stands that a compiled function reads: the header, a row of the block table, the workspace."""

from enum import IntEnum, auto

__all__ = ["BLOCK_SIZE", "CHUNK", "HEADER_SIZE", "WORK", "Block", "Header", "Work"]


class _FromZero(IntEnum):
    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:
        return count


class Header(_FromZero):
    """The header, an array of int64: sizes, flags and addresses."""

    ROWS = auto()
    SLOPES = auto()
    INTERCEPT = auto()
    GLOBALS = auto()
    BLOCKS = auto()
    PARAMETERS = auto()
    X = auto()
    OFFSET = auto()
    Y = auto()
    TRIALS = auto()
    CENTRE = auto()
    BLOCK_TABLE = auto()
    PRIOR_CALLS = auto()
    PRIOR_NUMBERS = auto()
    TRANSFORMS = auto()
    FAMILY = auto()
    LINK = auto()
    FIRST_PARAMETER = auto()
    LIKELIHOOD = auto()
    WHITENED = auto()
    CORE = auto()
    LEAVES = auto()
    LEAF_COLUMNS = auto()
    PLACES = auto()
    MIDDLE = auto()
    CORE_ROOT = auto()
    LEAF_ROOTS = auto()
    STRIPS = auto()


class Block(_FromZero):
    """A block's row of the block table, an array of int64."""

    COLUMNS = auto()
    LEVELS = auto()
    CORRELATED = auto()
    FIRST_SD = auto()
    FIRST_PARTIAL = auto()
    FIRST_Z = auto()
    INDEX = auto()
    Z = auto()
    INTERCEPT_ONLY = auto()
    KNOWN = auto()
    PULL = auto()


class Work(_FromZero):
    """The arrays of a chunk of rows, one after another in the workspace."""

    ETA = auto()
    A = auto()
    B = auto()
    DA = auto()
    DB = auto()
    D_ETA = auto()


CHUNK = 512
"""Rows worked on at a time, so that what is written is still in the cache when it is read."""

HEADER_SIZE, BLOCK_SIZE, WORK = len(Header), len(Block), len(Work)
