"""Where everything stands that a compiled function reads: the header, a row of the block table, the workspace."""

from enum import auto

from bayesglmm.compiled.workspace import FromZero

__all__ = ["BLOCK_SIZE", "HEADER_SIZE", "JOINT_SIZE", "PART_SIZE", "Block", "Header", "Joint", "Part"]


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
    JOINT = auto()  # the address of the table `Joint`, 0 for none
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
    FIRST_VARIABLE = auto()  # among those conditioned together
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


class Joint(FromZero):
    """What conditions coefficients and effects together, an array of int64 (see `joint_kernels`)."""

    VARIABLES = auto()
    COEFFICIENTS = auto()
    ENTRIES = auto()  # of C left of its diagonal
    PARTS = auto()
    WHERE = auto()  # which globals the coefficients are, (coefficients,) int32
    PRECISION = auto()  # P, (variables,)
    PULL = auto()  # r, (variables,)
    PART_TABLE = auto()
    INFORMATION = auto()  # the entries of K, part by part
    PLACES = auto()  # where each of them is added in C, −1 for those right of the diagonal, int32
    ROW_START = auto()  # the first entry of each row of C, (variables + 1,) int32
    ROW_COLUMNS = auto()  # the column of each entry, (entries,) int32
    TARGET_START = auto()  # (variables,)
    TARGETS = auto()  # the place that each pair of entries of a row is taken off from, int32
    RUNS = auto()  # for each entry, whether the places of its pairs with those before it follow one another
    AT_ONE = auto()
    AT_NOTHING = auto()
    AT_FACTOR = auto()  # C: its diagonal, then the entries left of it, (variables + entries,)
    AT_D_FACTOR = auto()
    AT_VARIABLES = auto()  # v, (variables,)
    AT_D_VARIABLES = auto()
    AT_SHIFT = auto()  # C⁻ᵀTᵀr, (variables,)
    AT_D_SHIFT = auto()


class Part(FromZero):
    """A part of K: what levels of two blocks that meet in rows, or coefficients, have in common, an array of int64."""

    ROWS = auto()
    COLUMNS = auto()
    AT_LEFT = auto()  # the root M of its rows in the workspace, and of its columns
    AT_RIGHT = auto()
    AT_D_LEFT = auto()
    AT_D_RIGHT = auto()
    COUNT = auto()  # of pairs of levels
    FIRST = auto()  # of the entries of K, (rows, columns, count)


HEADER_SIZE, BLOCK_SIZE, JOINT_SIZE, PART_SIZE = len(Header), len(Block), len(Joint), len(Part)
