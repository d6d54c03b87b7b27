"""Where everything stands that a compiled function reads: the header, and a row of the block table."""

from enum import IntEnum, auto

__all__ = ["BLOCK_SIZE", "HEADER_SIZE", "Block", "Header"]


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
    CENTRE_POINT = auto()
    GLOBAL_ROOT = auto()


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
    CENTRED = auto()
    SCALE = auto()
    ROOTS = auto()
    STRIPS = auto()


HEADER_SIZE, BLOCK_SIZE = len(Header), len(Block)
