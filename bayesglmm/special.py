"""Scalar special functions that compile as they stand: plain Python over `math`, accurate in both tails.

`exp`, `log` and `log1p_unit` have neither a branch nor a call, so that a loop over rows compiles to vector
instructions; a loop that calls the C library takes several times as long.
"""

import math

import numpy as np

__all__ = ["digamma", "exp", "log", "log1p_exp", "log1p_unit", "log_ndtr", "mills"]

_LOG2_E = 1.4426950408889634
_LOG_2_HIGH, _LOG_2_LOW = 0.6931471803691238, 1.9082149292705877e-10
"""log 2 in two parts: a whole number below 2^20 times the first is exact."""
_ROUND = 6755399441055744.0
"""1.5 · 2^52: what is added to it is rounded to a whole number, which then stands in its last bits."""
_ROUND_BITS = 4843621399236968448
_SQRT_HALF_BITS = 4604544271217802189


def exp(x: float) -> float:
    """Return e^x, relative error near 4e-16; 0 below −745, infinity above 709.78.

    e^x = 2^k e^r with k whole and |r| ≤ log(2)/2, e^r by its series, 2^k from its bits in two factors.
    """
    x = min(max(x, -746.0), 710.0)
    shifted = x * _LOG2_E + _ROUND
    whole = shifted - _ROUND
    r = (x - whole * _LOG_2_HIGH) - whole * _LOG_2_LOW
    series = 1.0 / 479001600.0
    series = series * r + 1.0 / 39916800.0
    series = series * r + 1.0 / 3628800.0
    series = series * r + 1.0 / 362880.0
    series = series * r + 1.0 / 40320.0
    series = series * r + 1.0 / 5040.0
    series = series * r + 1.0 / 720.0
    series = series * r + 1.0 / 120.0
    series = series * r + 1.0 / 24.0
    series = series * r + 1.0 / 6.0
    series = series * r + 0.5
    series = series * r + 1.0
    series = series * r + 1.0
    k = np.float64(shifted).view(np.int64) - _ROUND_BITS
    half = k >> 1
    low = np.int64((half + 1023) << 52).view(np.float64)
    high = np.int64((k - half + 1023) << 52).view(np.float64)
    return series * low * high


def log1p_unit(x: float) -> float:
    """Return log(1 + x) for 0 ≤ x ≤ 1, relative error near 7e-16.

    It is 2 artanh(s) with s = x / (2 + x) ≤ 1/3.
    """
    s = x / (2.0 + x)
    return 2.0 * s * _artanh_ratio(s * s)


def _artanh_ratio(u: float) -> float:
    """Return artanh(√u)/√u for 0 ≤ u ≤ 1/9: the Chebyshev interpolant of degree 9."""
    series = 0.08890381913056651
    series = series * u + 0.04940394524382393
    series = series * u + 0.06795652742789947
    series = series * u + 0.07681838124445817
    series = series * u + 0.09091429900236955
    series = series * u + 0.11111095430673142
    series = series * u + 0.1428571455582858
    series = series * u + 0.199999999976438
    series = series * u + 0.33333333333341286
    return series * u + 1.0


def log(x: float) -> float:
    """Return log x for normal x > 0, from its exponent and the polynomial of `log1p_unit`; NaN if x is.

    x = 2^k f with f from √½ to √2, and log f = 2 artanh((f − 1) / (f + 1)).
    """
    bits = np.float64(x).view(np.int64)
    k = (bits - _SQRT_HALF_BITS) >> 52
    f = np.int64(bits - (k << 52)).view(np.float64)
    s = (f - 1.0) / (f + 1.0)
    whole = np.int64(k + _ROUND_BITS).view(np.float64) - _ROUND
    return whole * _LOG_2_HIGH + (2.0 * s * _artanh_ratio(s * s) + whole * _LOG_2_LOW)


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
