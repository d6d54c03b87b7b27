"""Scalar special functions that compile as they stand: plain Python over `math`, accurate in both tails.

`exp`, `log` and `twice_artanh` have neither a branch nor a call, so that a loop over rows compiles to vector
instructions; a loop that calls the C library takes several times as long.
"""

import math

import numpy as np

__all__ = ["digamma", "exp", "log", "log_ndtr", "mills", "twice_artanh"]

_LOG2_E = 1.4426950408889634
_LOG_2_HIGH, _LOG_2_LOW = 0.6931471803691238, 1.9082149292705877e-10
"""log 2 in two parts: a whole number below 2^20 times the first is exact."""
_ROUND = 6755399441055744.0
"""1.5 · 2^52: what is added to it is rounded to a whole number, which then stands in its last bits."""
_ROUND_BITS = 4843621399236968448
_SQRT_HALF_BITS = 4604544271217802189


def exp(x: float) -> float:
    """Return e^x, relative error near 2e-16; 0 below −745, infinity above 709.78.

    e^x = 2^k e^r with k whole and |r| ≤ log(2)/2; (e^r − 1 − r)/r² by its Chebyshev interpolant, 2^k from its bits in
    two factors.
    """
    x = min(max(x, -746.0), 710.0)
    shifted = x * _LOG2_E + _ROUND
    whole = shifted - _ROUND
    r = (x - whole * _LOG_2_HIGH) - whole * _LOG_2_LOW
    series = _degree_9(
        r,
        0.5000000000000001,
        0.16666666666666669,
        0.04166666666662413,
        0.008333333333330062,
        0.0013888888917213717,
        0.00019841269863053618,
        2.4801521295954376e-05,
        2.7557268459997064e-06,
        2.7620088445409746e-07,
        2.510038549551032e-08,
    )
    series = 1.0 + (r + r * r * series)
    k = np.float64(shifted).view(np.int64) - _ROUND_BITS
    half = k >> 1
    low = np.int64((half + 1023) << 52).view(np.float64)
    high = np.int64((k - half + 1023) << 52).view(np.float64)
    return series * low * high


def twice_artanh(s: float) -> float:
    """Return 2 artanh s = log((1 + s) / (1 − s)) for |s| ≤ 1/3, relative error near 2e-16.

    With s = x / (2 + x) it is log(1 + x). (artanh(s)/s − 1)/s² is taken by its Chebyshev interpolant in s².
    """
    u = s * s
    ratio = _degree_9(
        u,
        0.3333333333333333,
        0.20000000000007292,
        0.1428571428355438,
        0.11111111358713932,
        0.09090894718066428,
        0.0769278503247935,
        0.06657072104826929,
        0.06000536404799805,
        0.04400369243052285,
        0.08082022806009813,
    )
    return 2.0 * s * (1.0 + u * ratio)


def _degree_9(
    x: float,
    c0: float,
    c1: float,
    c2: float,
    c3: float,
    c4: float,
    c5: float,
    c6: float,
    c7: float,
    c8: float,
    c9: float,
) -> float:
    """Return c0 + c1 x + … + c9 x^9 by Estrin's scheme: steps that do not wait for each other, unlike Horner's."""
    square = x * x
    fourth = square * square
    low = (c0 + c1 * x) + (c2 + c3 * x) * square
    high = (c4 + c5 * x) + (c6 + c7 * x) * square
    return low + fourth * (high + fourth * (c8 + c9 * x))


def log(x: float) -> float:
    """Return log x for normal x > 0, from its exponent and `twice_artanh`; NaN if x is.

    x = 2^k f with f from √½ to √2, and log f = 2 artanh((f − 1) / (f + 1)).
    """
    bits = np.float64(x).view(np.int64)
    k = (bits - _SQRT_HALF_BITS) >> 52
    f = np.int64(bits - (k << 52)).view(np.float64)
    s = (f - 1.0) / (f + 1.0)
    whole = np.int64(k + _ROUND_BITS).view(np.float64) - _ROUND
    return whole * _LOG_2_HIGH + (twice_artanh(s) + whole * _LOG_2_LOW)


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
