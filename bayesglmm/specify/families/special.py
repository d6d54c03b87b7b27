"""Scalar special functions that compile as they stand: plain Python over `math`, accurate in both tails.

`exp`, `log` and `twice_artanh` have neither a branch nor a call, so that a loop over rows compiles to vector
instructions; a loop that calls the C library takes several times as long.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

__all__ = [
    "beyond",
    "changes",
    "exp",
    "gamma_ratio",
    "log",
    "log1p",
    "log1p_less",
    "log_ndtr",
    "log_proportions",
    "log_ratio",
    "log_ratio_less",
    "mills",
    "overdispersed",
    "stirling",
    "stirlings",
    "twice_artanh",
]

_LOG2_E = 1.4426950408889634
_LOG_2_HIGH, _LOG_2_LOW = 0.6931471803691238, 1.9082149292705877e-10
"""log 2 in two parts: a whole number below 2^20 times the first is exact."""
_ROUND = 6755399441055744.0
"""1.5 · 2^52: adding it to x rounds x to a whole number, which is held in the last bits of the sum."""
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

    With s = x / (2 + x) it is log(1 + x).
    """
    u = s * s
    return 2.0 * s * (1.0 + u * _artanh_ratio(u))


def log1p(x: float) -> float:
    """Return log(1 + x) for 1 + x normal, relative error near 3e-16."""
    return twice_artanh(x / (2.0 + x)) if -0.5 <= x <= 1.0 else log(1.0 + x)


def log1p_less(x: float) -> float:
    """Return log(1 + x) − x for −½ ≤ x ≤ 1, relative error near 4e-16.

    With s = x / (2 + x), log(1 + x) = 2 artanh s and 2s − x = −xs: no cancellation.
    """
    s = x / (2.0 + x)
    u = s * s
    return -s * (x - 2.0 * u * _artanh_ratio(u))


def log_ratio(x: float, log_ratio: float) -> float:
    """Return log r, from x = r − 1 where r is near 1, from log r elsewhere."""
    return log1p(x) if -0.5 <= x <= 1.0 else log_ratio


def log_ratio_less(x: float, log_ratio: float) -> float:
    """Return log r − (r − 1), from x = r − 1 where r is near 1, from both elsewhere."""
    return log1p_less(x) if -0.5 <= x <= 1.0 else log_ratio - x


def log_proportions(p: float, q: float, delta: float, log_p: float, log_q: float) -> float:
    """Return p log(P/p) + q log(Q/q) for P + Q = p + q = 1: minus a divergence.

    It is near −(P − p)²/(2pq); the linear terms of the logarithms, which sum to 0, are subtracted first.

    Parameters
    ----------
    p, q, delta
        The proportions p and q, and P − p.
    log_p, log_q
        log(P/p) and log(Q/q), used where P/p and Q/q are far from 1.
    """
    return p * log_ratio_less(delta / p, log_p) + q * log_ratio_less(-delta / q, log_q)


def beyond(y: float, p: float, q: float) -> float:
    """Return y − p for p + q = 1, from q where y is nearer to 1."""
    return y - p if y <= 0.5 else q - (1.0 - y)


def changes(values: Any, i: int) -> bool:
    """Return whether the value of a row is another than that of the row before; False for the first.

    Where the value is the same for all rows, compiled code has no trace of the question.
    """
    return i > 0 and (values[i] < values[i - 1] or values[i] > values[i - 1])


def _artanh_ratio(u: float) -> float:
    """Return (artanh(s)/s − 1)/s² at s² = u ≤ 1/9, by its Chebyshev interpolant."""
    return _degree_9(
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
    """Return c0 + c1 x + … + c9 x^9 by Estrin's scheme, whose operations are independent, unlike Horner's."""
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


_FAR = 8.0
"""The argument from which the asymptotic series are exact to rounding."""


def stirling(x: float) -> tuple[float, float]:
    """Return Stirling's remainder, log Γ(x) − (x − ½) log x + x − ½ log 2π, and its derivative.

    They are near 1/(12x) and −1/(12x²), so that differences of log Γ at large arguments are computed from them without
    cancellation. Errors are near 1e-15 of the larger of 1 and the value; above 8, of the value.

    References
    ----------
    Abramowitz & Stegun (1964), Handbook of Mathematical Functions, 6.1.41 and 6.3.18.
    """
    if x >= _FAR:
        return _stirling_series(x)
    far, z = x + _FAR, x * (x + 7.0)  # Γ(x) = Γ(far) / product, x (x + 1) … (x + 7) being z (z + 6) (z + 10) (z + 12)
    product = z * (720.0 + z * (252.0 + z * (28.0 + z)))
    slope = (2.0 * x + 7.0) * (720.0 + z * (504.0 + z * (84.0 + z * 4.0)))
    log_x, log_far = log(x), log(far)
    value, by_x = _stirling_series(far)
    value += (far - 0.5) * log_far - (x - 0.5) * log_x - _FAR - log(product)
    return value, by_x + (log_far - log_x) - 0.5 / far + (0.5 / x - slope / product)


def gamma_ratio(nu: float) -> tuple[float, float]:
    """Return log Γ(x + ½) − log Γ(x) − ½ log x at x = ν/2, and twice its derivative by ν; both near −1/(8x)."""
    x, t = 0.5 * nu, 1.0 / nu
    (remainder, slope), (remainder_half, slope_half) = stirling(x), stirling(x + 0.5)
    log1p_t = math.log1p(t)
    value = x * log_ratio_less(t, log1p_t) + remainder_half - remainder
    return value, slope_half - slope - log_ratio_less(-1.0 / (nu + 1.0), -log1p_t)


def _stirling_series(x: float) -> tuple[float, float]:
    inverse = 1.0 / x
    u = inverse * inverse
    value = 1.0 / 1188.0 - u * (691.0 / 360360.0 - u * (1.0 / 156.0 - u * (3617.0 / 122400.0)))
    value = 1.0 / 12.0 - u * (1.0 / 360.0 - u * (1.0 / 1260.0 - u * (1.0 / 1680.0 - u * value)))
    slope = 1.0 / 132.0 - u * (691.0 / 32760.0 - u * (1.0 / 12.0 - u * (3617.0 / 8160.0)))
    slope = 1.0 / 12.0 - u * (1.0 / 120.0 - u * (1.0 / 252.0 - u * (1.0 / 240.0 - u * slope)))
    return inverse * value, -u * slope


def stirlings(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the remainder of `stirling`, elementwise."""
    near, far = np.minimum(x, _FAR), np.maximum(x, _FAR)
    u = 1.0 / (far * far)
    series = np.polynomial.polynomial.polyval(
        u, [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400]
    )
    below = special.gammaln(near) - ((near - 0.5) * np.log(near) - near + 0.5 * math.log(2 * math.pi))
    return np.asarray(np.where(x < _FAR, below, series / far))


def overdispersed(
    y: float, mu: float, log_mu: float, size: float, remainder: float, slope: float
) -> tuple[float, float, float, float]:
    """Return the log density of a negative binomial count and its derivatives, accurate for every size s.

    It is log Γ(y + s) − log Γ(s) + y log(μ/(s + μ)) + s log(s/(s + μ)), most of which cancels where s or y is large.
    It equals, with δ = μ − y, u = sδ / (y (s + μ)) and v = δ / (s + y),

        y log(1 + u) − s log(1 + v) − ½ log(1 + y/s) + r(s + y) − r(s),

    with r the remainder of `stirling`; where u and v are small, from log(1 + u) − u, log(1 + v) − v and −sδv/(s + μ).

    Parameters
    ----------
    y, mu, log_mu, size
        The count, its mean and the logarithm of that, and s.
    remainder, slope
        `stirling` at s.

    Returns
    -------
    value
        The log density minus (−½ log(2πy) − r(y)); the log density itself where y = 0.
    by_mean
        μ times its derivative by μ, given s.
    by_size
        Its derivative by log s, given μ.
    by_both
        Its derivative by log s with μ in proportion.
    """
    s = size
    delta, both, total = mu - y, s + mu, s + y
    v, w = delta / total, -delta / both  # (1 + v)(1 + w) = 1
    near = log1p(w) if w > -0.5 else -log1p(v)
    log_w = near if abs(v) + abs(w) < 1e15 else log(total) - log(both)
    by_mean = w * s if abs(w) < 1.0 else -delta * (s / both)
    by_size = s * log1p_less(w) if -0.5 <= w <= 1.0 else s * log_w - by_mean
    by_both = s * log_w
    if y <= 0.0:
        return by_both, by_mean, by_size, by_both
    remainder_total, slope_total = stirling(total)
    rest = 0.5 * y / total + s * (slope_total - slope)
    u = (s / both) * (delta / y)
    if -0.5 <= u <= 1.0 and -0.5 <= v <= 1.0:
        value = y * log1p_less(u) - s * log1p_less(v) - (s / both) * delta * v
    else:
        value = y * (log1p(u) if u > -0.5 else (log_mu - log(y)) + log_w) + s * log_w
    value += remainder_total - remainder - 0.5 * (log1p(y / s) if y < s else log(total) - log(s))
    return value, by_mean, by_size + rest, by_both + rest


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
