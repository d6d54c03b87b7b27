"""The functions that a formula may call."""

from dataclasses import dataclass

__all__ = ["CONTRASTS", "FUNCTIONS", "Function"]


@dataclass(frozen=True)
class Function:
    """The arguments that a function takes in a formula.

    Parameters
    ----------
    most
        The largest number of positional arguments.
    keywords
        The keywords it takes.
    stateless
        Whether its value for a row depends on that row alone; only such functions may stand in a
        response, an offset or a number of trials.
    categorical
        Whether its value is a factor.
    several
        Whether it makes several columns.
    about
        What it does, for error messages and documentation.
    """

    most: int
    keywords: tuple[str, ...] = ()
    stateless: bool = False
    categorical: bool = False
    several: bool = False
    about: str = ""


CONTRASTS = {
    "Treatment": Function(1, ("reference",), about="differences from a reference level"),
    "Sum": Function(0, about="deviations from the mean of the levels"),
}
"""Codings that may stand as the second argument of `C`."""

FUNCTIONS = {
    "log": Function(1, stateless=True, about="natural logarithm"),
    "log2": Function(1, stateless=True, about="logarithm to base 2"),
    "log10": Function(1, stateless=True, about="logarithm to base 10"),
    "log1p": Function(1, stateless=True, about="log(1 + x)"),
    "exp": Function(1, stateless=True, about="exponential"),
    "sqrt": Function(1, stateless=True, about="square root"),
    "abs": Function(1, stateless=True, about="absolute value"),
    "I": Function(1, stateless=True, about="arithmetic taken literally"),
    "center": Function(1, about="x minus its mean"),
    "scale": Function(
        1, ("ddof",), about="x minus its mean, divided by its standard deviation (n - 1, or n with ddof=0)"
    ),
    "standardize": Function(1, about="the same as scale"),
    "poly": Function(2, ("degree", "raw"), several=True, about="orthogonal polynomial"),
    "bs": Function(1, ("df", "degree", "include_intercept"), several=True, about="B-spline"),
    "cr": Function(1, ("df",), several=True, about="natural cubic spline"),
    "C": Function(2, (), categorical=True, about="a factor, whatever its type"),
    "factor": Function(1, (), stateless=True, categorical=True, about="the same as C(x)"),
}
"""The functions, by name."""
