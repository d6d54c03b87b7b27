"""Rounding of numbers to two significant digits of their uncertainty."""

import math

__all__ = ["decimals", "rounded"]

_MINUS = "\N{MINUS SIGN}"


def decimals(sd: float) -> int:
    """Return how many decimals show two significant digits of a standard deviation; two decimals from 0.1 to 10."""
    if not math.isfinite(sd) or sd <= 0:
        return 3
    return 2 if 1 <= sd < 10 else min(8, max(0, 1 - math.floor(math.log10(sd))))


def rounded(value: float, places: int) -> str:
    """Return a number to a number of decimals, with thousands separators, a minus sign, and no negative zero."""
    if not math.isfinite(value):
        return "–"
    text = f"{value:,.{places}f}"
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return text.replace("-", _MINUS)
