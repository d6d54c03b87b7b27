"""Where everything stands that a compiled function reads: the header, and a row of the block table."""

from enum import auto

from bayesglmm.compiled.workspace import FromZero

__all__ = ["BLOCK_SIZE", "HEADER_SIZE", "Block", "Header"]


class Header(FromZero):
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


class Block(FromZero):
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


HEADER_SIZE, BLOCK_SIZE = len(Header), len(Block)
