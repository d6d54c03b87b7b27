"""What the compiled density reads: the header, and the tables of blocks, of the joint precision and of its parts.

Each entry says what it is, in the notation of the kernels, and which shape it has: `header` fills the tables by it, and
the kernels read them by name. `AT_…` is the place of an array in the workspace of a call, `AT_D_…` that of the
derivatives by it. Arrays with an entry a level have the levels last, (k, k, m), so that loops over levels run through
adjacent memory.

    η = Xβ + Σ Z b      the linear predictor, Σ over the blocks
    b = M z             the effects of a level, M = diag(σ) L, LLᵀ = Ω, of z ~ N(0, I)
    C z = u + C⁻ᵀMᵀh    z from coordinates u (`random_effect_kernels`), CᵀC = I + MᵀAM
    C v = u + C⁻ᵀTᵀr    v = (β, z) from coordinates u (`joint_kernels`), CᵀC = P + TᵀKT
"""

from enum import auto

from bayesglmm.compiled.table import Table, borrowed, floats, integers, number, scratch, size, small_integers, table
from bayesglmm.compiled.workspace import FromZero

__all__ = ["Block", "Header", "Joint", "Part", "Transform"]


class Transform(FromZero):
    """How the value of a global follows from its coordinate (see `coordinates.constrain`)."""

    WHOLE_LINE = auto()
    ABOVE = auto()
    BETWEEN = auto()
    CONDITIONED = auto()
    """A coefficient whose value is found together with the random effects (`joint_kernels`)."""
    SIGNED = auto()
    """An sd with a sign, of which the sd is the absolute value.

    b = sd · z is the same for −sd and −z, so the posterior of sd and z extends evenly to negative sds. That of log sd
    has an infinite tail where the sd may be zero; here zero is an ordinary point.
    """


class Part(Table):
    """A part of K: sums over the rows that levels of two blocks (or coefficients) share, for each pair of levels."""

    ROWS = size("i", "columns of the first block, 1 for a coefficient")
    COLUMNS = size("j", "columns of the second block, 1 for a coefficient")
    AT_LEFT = borrowed("M of the first block (i, i), 1 for a coefficient")
    AT_RIGHT = borrowed("M of the second block (j, j)")
    AT_D_LEFT = borrowed("derivatives by M of the first block (i, i)")
    AT_D_RIGHT = borrowed("derivatives by M of the second block (j, j)")
    COUNT = size("pairs", "pairs of levels that share rows")
    FIRST = number("the place of the part's entries (i, j, pairs) in INFORMATION and PLACES")


class Joint(Table):
    """The precision Q = P + TᵀKT of v = (β, z), with the sparse factor C of CᵀC = Q (see `joint_kernels`)."""

    VARIABLES = size("d", "variables v: coefficients, then the z of all blocks")
    COEFFICIENTS = size("c", "coefficients β among them, the first")
    ENTRIES = size("e", "entries of C left of its diagonal that may be other than 0")
    PARTS = size("parts", "parts of K")
    COEFFICIENT_GLOBALS = small_integers("which globals the coefficients are", "c")
    PRECISION = floats("P, the prior precisions of v", "d")
    LINEAR = floats("r, of the log likelihood rᵀt − tᵀKt/2 of t = (β, b)", "d")
    PART_TABLE = table(Part, "the parts", "parts")
    INFORMATION = floats("the entries of K, part by part", "entries of K")
    PLACES = small_integers("where in C each entry of K is added, −1 if right of the diagonal", "entries of K")
    ROW_START = small_integers("the first entry of each row of C", "d+1")
    ROW_COLUMNS = small_integers("the column of each entry of C", "e")
    TARGET_START = integers("the first target of each row of C", "d")
    TARGETS = small_integers("where in C the product of each pair of entries of a row is subtracted", "targets")
    CONTIGUOUS = small_integers("whether the targets of an entry with those before it are adjacent", "e")
    AT_ONE = scratch("1, which stands for M of a coefficient", "1")
    AT_D_ONE = scratch("its derivative, which nothing reads", "1")
    AT_FACTOR = scratch("Q, then C: the diagonal, then the entries left of it", "d+e")
    AT_D_FACTOR = scratch("derivatives by C, then by Q", "d+e")
    AT_VARIABLES = scratch("v", "d")
    AT_D_U = scratch("derivatives by v, then by u", "d")
    AT_SHIFT = scratch("C⁻ᵀTᵀr", "d")
    AT_D_SHIFT = scratch("derivatives by C⁻ᵀTᵀr, then by Tᵀr", "d")


class Block(Table):
    """A block of random effects."""

    COLUMNS = size("k", "columns, the effects of a level")
    LEVELS = size("m", "levels")
    CORRELATED = number("1 if Ω has partial correlations, 0 if it is the unit matrix")
    FIRST_SD = number("the first of its k sds among the globals")
    FIRST_PARTIAL = number("the first of its k (k − 1)/2 partial correlations among the globals")
    FIRST_COORDINATE = number("the first of its m k coordinates u among all coordinates")
    FIRST_VARIABLE = number("the first of its m k effects z among the variables of `Joint`; 0 without")
    INDEX = small_integers("the level of each row", "n")
    Z = floats("Zᵀ, the columns", "k", "n")
    INTERCEPT_ONLY = number("1 if Z is one column of ones")
    INFORMATION = floats("A of every level, of the log likelihood hᵀb − bᵀAb/2", "k", "k", "m")
    LINEAR = floats("h of every level, of the same", "k", "m")
    AT_CHOLESKY = scratch("L, lower triangular, LLᵀ = Ω", "k", "k")
    AT_ROOT = scratch("M = diag(σ) L", "k", "k")
    AT_D_ROOT = scratch("derivatives by M", "k", "k")
    AT_FACTOR = scratch("C of every level, lower triangular, CᵀC = I + MᵀAM", "k", "k", "m")
    AT_D_FACTOR = scratch("derivatives by C, then by CᵀC", "k", "k", "m")
    AT_SHIFT = scratch("C⁻ᵀMᵀh", "k", "m")
    AT_D_SHIFT = scratch("derivatives by Mᵀh", "k", "m")
    AT_Z = scratch("z", "k", "m")
    AT_D_Z = scratch("derivatives by z", "k", "m")
    AT_D_U = scratch("derivatives by u", "k", "m")


class Header(Table):
    """The header: the one argument that brings model, data, coordinates and workspace to a compiled function."""

    ROWS = size("n", "rows, after identical ones are merged")
    SLOPES = size("p", "slopes")
    INTERCEPT = number("1 if the first global is an intercept, 0 if there is none")
    GLOBALS = size("g", "globals: intercept, slopes, per block sds and partial correlations, family parameters")
    BLOCKS = size("blocks", "blocks of random effects")
    PARAMETERS = size("r", "family parameters")
    X = floats("Xᵀ, the columns of the slopes less CENTRE", "p", "n")
    OFFSET = floats("the offset", "rows of offset")
    OFFSET_VARIES = number("1 if OFFSET is of every row (n,), 0 if one chunk of it serves all, (CHUNK,)")
    Y = floats("the outcome", "n")
    TRIALS = floats("the number of trials of each row", "rows of trials")
    TRIALS_VARY = number("1 if TRIALS is of every row (n,), 0 if one chunk of it serves all, (CHUNK,)")
    WEIGHTED = number("1 if rows have weights, 0 if each counts once")
    WEIGHTS = floats("the weight of each row, which multiplies its log likelihood", "n", when="WEIGHTED")
    CENTRE = floats("the means of the columns of the slopes, 0 if the intercept is not centred", "p")
    DIFFERENCE_STEP = floats("the absolute step of differences by η, `logp_kernel.information`", "1")
    BLOCK_TABLE = table(Block, "the blocks", "blocks")
    PRIORS = integers("the address of the log density of each global's prior", "g")
    PRIOR_NUMBERS = floats(
        "of each prior the constants a, b, c of its density, its lower and its upper bound", "g", "5"
    )
    TRANSFORMS = integers("the `Transform` of each global", "g")
    FAMILY = number("the address of the family's rows")
    LINK = number("the address of the link's rows")
    FIRST_PARAMETER = number("the first family parameter among the globals")
    LIKELIHOOD = number("1, or 0 to leave the likelihood out")
    WHITENED = number("1 if coordinates are whitened: w, of which x is an arrow-shaped linear map")
    CORE = size("c", "coordinates in the core of the map", when="WHITENED")
    LEAVES = size("m", "leaves of the map", when="WHITENED")
    LEAF_COLUMNS = size("k", "coordinates of a leaf", when="WHITENED")
    PLACES = integers("where in x each coordinate of w belongs: the core, then leaf by leaf", "dim", when="WHITENED")
    MIDDLE = floats("x at w = 0", "dim", when="WHITENED")
    CORE_ROOT = floats("R_c, upper triangular", "c", "c", when="WHITENED")
    LEAF_ROOTS = floats("R_l of every leaf, upper triangular", "k", "k", "m", when="WHITENED")
    STRIPS = floats("S of every leaf, its border with the core", "c", "m", "k", when="WHITENED")
    JOINT = table(Joint, "the joint precision; 0 where each block has coordinates of its own", "")
    ALLOCATE = number("the address of malloc")
    RELEASE = number("the address of free")
    SPACE = number("the size of the workspace, in doubles")
    AT_POINT = scratch("x, where coordinates are whitened", "dim")
    AT_DEVIATION = scratch("x − MIDDLE in the order of w; on the way back derivatives", "dim")
    AT_VALUES = scratch("the values of the globals", "g")
    AT_D_VALUES = scratch("derivatives by the values of the globals", "g")
    AT_EFFECTS = scratch("b of all blocks, level by level", "dim-g")
    AT_D_EFFECTS = scratch("derivatives by b", "dim-g")
    AT_ETA = scratch("η of a chunk of rows", "CHUNK")
    AT_WORK = scratch("the workspace of link and family, by `Work`", "WORK+r", "CHUNK")
