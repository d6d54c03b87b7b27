"""What the compiled integrals over random effects read: the header of one call."""

from bayesglmm.compiled.table import Table, floats, integers, number, size

__all__ = ["Header"]


class Header(Table):
    """The header: sizes, addresses of functions, addresses of arrays, for s draws of m groups with n rows in all."""

    FIRST = number("the first draw of this call")
    LAST = number("the draw after the last of this call")
    GROUPS = size("m", "groups")
    ROWS = size("n", "rows, group by group")
    EFFECTS = size("q", "effects of a group")
    PARAMETERS = size("r", "family parameters")
    ATTEMPTS = number("steps of the lattice that are tried at the most; 0 for Laplace's approximation")
    EVALUATE = number("1 for Σ log f − |u|²/2 at MODE, 0 for integrals")
    LINK = number("the address of the link's rows")
    FAMILY = number("the address of the family's rows")
    STARTS = integers("the first row of each group, and n", "m+1")
    Y = floats("the outcome", "n")
    TRIALS = floats("the numbers of trials", "n")
    WEIGHTED = number("1 if rows have weights, 0 if each counts once")
    WEIGHTS = floats("the weight of each row, which multiplies its log likelihood", "n", when="WEIGHTED")
    ETA = floats("η at b = 0 of each draw", "s", "n")
    Z = floats("Z, the columns of the effects", "n", "q")
    ROOT = floats("L of each draw, LLᵀ = G", "s", "q", "q")
    PARAMETER_VALUES = floats("the family parameters of each draw, then one double of padding", "s", "r+1")
    VALUE = floats("written: log ∫ Π f(y | b) dN(b; 0, G), or what EVALUATE asks for", "s", "m")
    ERROR = floats("written: the relative difference of the last two sums", "s", "m", when="not EVALUATE")
    MODE = floats("written: the mode û of u, b = L u; with EVALUATE, u is read here", "s", "m", "q")
    SPREAD = floats("written: R, lower triangular, RRᵀ = −∂²h/∂u² at û", "s", "m", "q", "q", when="not EVALUATE")
