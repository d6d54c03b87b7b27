"""Scalar special functions that compile as they stand: plain Python over `math`, accurate in both tails."""

import math

__all__ = ["digamma", "log1p_exp", "log_ndtr", "mills"]


def log1p_exp(x: float) -> float:
    """Return log(1 + e^x) without overflow or loss of digits."""
    if x > 0.0:
        return x + math.log1p(math.exp(-x))
    return math.log1p(math.exp(x))


def digamma(x: float) -> float:
    """Return ψ(x) for x > 0: recurrence up to 10, then the asymptotic series; relative error near 1e-15.

    References
    ----------
    Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 6.3.5 and 6.3.18.
    """
    shift = 0.0
    while x < 10.0:
        shift -= 1.0 / x
        x += 1.0
    square = 1.0 / (x * x)
    series = square * (
        1.0 / 12.0
        - square
        * (
            1.0 / 120.0
            - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square * (1.0 / 132.0 - square * 691.0 / 32760.0)))
        )
    )
    return shift + math.log(x) - 0.5 / x - series


def log_ndtr(x: float) -> float:
    """Return log Φ(x), accurate in both tails."""
    if x > 0.0:
        return math.log1p(-0.5 * math.erfc(x / math.sqrt(2.0)))
    if x > -8.0:
        return math.log(0.5 * math.erfc(-x / math.sqrt(2.0)))
    return -0.5 * x * x - 0.5 * math.log(2.0 * math.pi) - math.log(_inverse_mills(-x))


def mills(x: float) -> float:
    """Return φ(x)/Φ(x), accurate in the lower tail."""
    if x > -8.0:
        return math.exp(-0.5 * x * x) / (math.sqrt(2.0 * math.pi) * 0.5 * math.erfc(-x / math.sqrt(2.0)))
    return _inverse_mills(-x)


def _inverse_mills(x: float) -> float:
    """Return φ(x)/(1 − Φ(x)) for x ≥ 8 by Laplace's continued fraction."""
    tail = x
    for k in range(40, 0, -1):
        tail = x + k / tail
    return tail
