"""Where everything stands that a compiled function reads: the header, a row of the block table, the workspace."""

from enum import auto

from bayesglmm.compiled.workspace import FromZero

__all__ = ["BLOCK_SIZE", "HEADER_SIZE", "Block", "Header"]


class Header(FromZero):
    """The header, an array of int64: sizes, flags, addresses, and places in the workspace of a call."""

    ROWS = auto()
    SLOPES = auto()
    INTERCEPT = auto()
    GLOBALS = auto()
    BLOCKS = auto()
    PARAMETERS = auto()
    X = auto()
    OFFSET = auto()
    OFFSET_VARIES = auto()  # 0: one chunk of it stands for all
    Y = auto()
    TRIALS = auto()
    TRIALS_VARY = auto()
    CENTRE = auto()
    APART = auto()  # of one double: how far apart slopes by η are taken for their difference
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
    ALLOCATE = auto()
    RELEASE = auto()
    SPACE = auto()  # the size of the workspace, in doubles
    AT_POINT = auto()
    AT_MOVED = auto()
    AT_VALUES = auto()
    AT_SLOPES = auto()
    AT_EFFECTS = auto()
    AT_D_EFFECTS = auto()
    AT_D_PARAMETERS = auto()
    AT_ETA = auto()
    AT_WORK = auto()


class Block(FromZero):
    """A block's row of the block table, an array of int64; `AT_…` are places in the workspace of a call."""

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
    AT_LOWER = auto()
    AT_ROOT = auto()
    AT_D_ROOT = auto()
    AT_FACTOR = auto()
    AT_D_FACTOR = auto()
    AT_SHIFT = auto()
    AT_D_SHIFT = auto()
    AT_UNIT = auto()
    AT_D_UNIT = auto()
    AT_D_OWN = auto()


HEADER_SIZE, BLOCK_SIZE = len(Header), len(Block)
